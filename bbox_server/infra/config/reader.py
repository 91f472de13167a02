# SPDX-License-Identifier: Apache-2.0
"""Reading files that others can make: small regular files, and nothing that waits (P-65)."""

import os
import stat
from pathlib import Path
from typing import Final

SIZE_LIMIT_BYTES: Final = 1 << 20
"""Compat CFG-03."""

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class UnreadableError(Exception):
    """The file is there, but is nothing that may be read; the text says why."""


def read_small(path: Path, *, follow_links: bool) -> bytes | None:
    """A file's bytes; None when there is no such file.

    Args:
        path: The file.
        follow_links: Whether its last component may be a link.

    Raises:
        UnreadableError: A link, a fifo, a device, a directory, too large, or not readable.
    """
    try:
        # O_NONBLOCK: opening a fifo must not wait for someone to write to it.
        fd = os.open(path, _FLAGS | (0 if follow_links else os.O_NOFOLLOW))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnreadableError(_reason(path, error, follow_links=follow_links)) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableError("it is not a regular file")
    with os.fdopen(fd, "rb") as file:
        content = file.read(SIZE_LIMIT_BYTES + 1)
    if len(content) > SIZE_LIMIT_BYTES:
        raise UnreadableError(f"it is too large: more than {SIZE_LIMIT_BYTES} bytes")
    return content


def _reason(path: Path, error: Exception, *, follow_links: bool) -> str:
    if not follow_links and path.is_symlink():
        return "it is a symbolic link, and symlinks are not allowed here"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)
