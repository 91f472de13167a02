# SPDX-License-Identifier: Apache-2.0
"""Reading an agent's login out of the guest. All that comes back is the guest's word."""

import base64
import binascii
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.escape import escape_text
from bbox_server.domain.launch import GUEST_HOME
from bbox_server.domain.login import (
    DEPTH,
    FILE_BYTES,
    CredentialFile,
    FoundCredentials,
    shown_name,
    within_limits,
)
from bbox_server.domain.terminal import GuestCommand

OUTPUT_BYTES: Final = 4 << 20
"""More is not read: the guest could go on for ever."""

# Of the guest system, so that the image needs no program of its own.
_BUSYBOX: Final = "/run/bbox/busybox"
# Neither a name nor base64 has a NUL, so nothing that the agent names or writes breaks the frame.
_EACH: Final = (
    'for file; do printf "%s\\0" "$file"; '
    f'{_BUSYBOX} head -c {FILE_BYTES + 1} "$file" | {_BUSYBOX} base64 -w 0; printf "\\0"; done'
)
_READ: Final = (
    'for path; do [ -L "./$path" ] && printf "%s\\0@\\0" "$path"; [ -e "./$path" ] || continue; '
    f'{_BUSYBOX} find "./$path" -maxdepth {DEPTH + 1} -type f -exec {_BUSYBOX} sh -c '
    f"'{_EACH}' sh {{}} + || exit 1; done"
)
_LINK: Final = b"@"


def read_command(paths: tuple[PurePosixPath, ...]) -> GuestCommand:
    """What writes the files at and below the paths to its output, without following links."""
    words = (str(path) for path in paths)
    return GuestCommand(argv=(_BUSYBOX, "sh", "-c", _READ, "sh", *words), directory=GUEST_HOME)


def parse_found(
    output: bytes, allowed: tuple[PurePosixPath, ...], ours: frozenset[PurePosixPath]
) -> FoundCredentials:
    """What the output holds of files that may be kept.

    Args:
        output: Name, NUL, base64, NUL and so on; `@` instead of base64 says that it is a link.
        allowed: The agent's credential paths.
        ours: What bbox wrote into the guest itself; it is no login.
    """
    *fields, rest = output.split(b"\0")
    files: dict[PurePosixPath, CredentialFile] = {}
    present: set[PurePosixPath] = set()
    links: list[str] = []
    damaged = bool(rest) or len(fields) % 2 == 1
    for name, content in zip(fields[::2], fields[1::2], strict=False):
        path = PurePosixPath(name.decode("utf-8", "surrogateescape"))
        if path in ours:
            continue
        present.add(path)
        if content == _LINK:
            links.append(f"{shown_name(path)}: it is a link")
            continue
        try:
            files[path] = CredentialFile(path=path, content=_decoded(content))
        except binascii.Error:
            damaged = True
    kept, refused = within_limits(_in_order(files.values()), allowed)
    return FoundCredentials(
        files=kept,
        present=frozenset(present),
        refused=tuple(escape_text(reason) for reason in (*links, *refused)),
        complete=not damaged,
    )


def _decoded(content: bytes) -> bytes:
    return base64.b64decode(content, validate=True)


def _in_order(files: Iterable[CredentialFile]) -> tuple[CredentialFile, ...]:
    return tuple(sorted(files, key=lambda file: file.path))
