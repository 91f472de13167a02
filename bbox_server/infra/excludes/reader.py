# SPDX-License-Identifier: Apache-2.0
"""Reading ignore files that anyone who writes to a repository can make (compat P-65)."""

import os
import stat
from pathlib import Path

from bbox_server.domain.excludes import IGNORE_FILE_LIMIT_BYTES


class UnusableFileError(Exception):
    """The file is there, but is nothing that may be read; the text says why."""


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a small regular file; none when there is no such file.

    Raises:
        UnusableFileError: A link, a fifo, a device, too large, or not readable.
    """
    try:
        # O_NONBLOCK: opening a fifo must not wait for someone to write to it.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        reason = "it is a symbolic link" if path.is_symlink() else str(error.strerror)
        raise UnusableFileError(reason) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        msg = "it is no regular file"
        raise UnusableFileError(msg)
    with os.fdopen(fd, "rb") as file:
        content = file.read(IGNORE_FILE_LIMIT_BYTES + 1)
    if len(content) > IGNORE_FILE_LIMIT_BYTES:
        msg = f"it is larger than {IGNORE_FILE_LIMIT_BYTES} bytes"
        raise UnusableFileError(msg)
    return lines_of(content)


def lines_of(content: bytes) -> tuple[str, ...]:
    """The lines of an ignore file, without a byte-order mark and carriage returns."""
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return tuple(line.removesuffix("\r") for line in text.split("\n"))
