# SPDX-License-Identifier: Apache-2.0
"""The user's folder and the paths in it."""

import hashlib
from pathlib import PurePosixPath
from typing import NewType

HostPath = NewType("HostPath", str)
"""An absolute path on the host; the core hands it on and never takes it apart."""

Digest = NewType("Digest", str)
"""SHA-256 of a file's bytes, 64 lower-case hexadecimal digits."""

WorkspacePath = PurePosixPath
"""A path relative to the workspace's root. Bytes that are no UTF-8 are surrogate-escaped."""


def below(directory: HostPath, *names: str) -> HostPath:
    """Join names of ours to a host directory."""
    return HostPath("/".join((directory.rstrip("/"), *names)))


def digest_of(content: bytes) -> Digest:
    """The digest of a content."""
    return Digest(hashlib.sha256(content).hexdigest())
