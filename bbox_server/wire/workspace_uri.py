# SPDX-License-Identifier: Apache-2.0
"""file: URIs (RFC 8089) of workspaces."""

import os
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath

LOCAL_AUTHORITIES: Final = frozenset({"", "localhost"})


def workspace_path(uri: str) -> HostPath:
    """The directory of a file: URI, links resolved. Raises: workspace.invalid."""
    return HostPath(os.path.realpath(file_path(uri)))


def file_path(uri: str) -> HostPath:
    """The path of a file: URI, as it is written. Raises: workspace.invalid."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise _no_path(uri) from error
    path = os.fsdecode(unquote_to_bytes(parts.path))
    is_local = parts.scheme == "file" and parts.netloc in LOCAL_AUTHORITIES
    if not is_local or not path.startswith("/") or "\0" in path:
        raise _no_path(uri)
    return HostPath(path)


def file_uri(path: HostPath) -> str:
    """The file: URI of an absolute path."""
    return "file://" + quote_from_bytes(os.fsencode(path))


def _no_path(uri: str) -> BboxError:
    return BboxError(
        ErrorCode.WORKSPACE_INVALID,
        cause=f"{uri[:200]!a} is no directory of this machine.",
        remediation="Give a file: URI with an absolute path.",
    )
