# SPDX-License-Identifier: Apache-2.0
"""Copies of single files: shared extents where the file system can, holes kept everywhere."""

import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from typing import Final

from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.beneath import open_file, write_all
from bbox_server.infra.workspace.git_layout import TRANSFORMED_LIMIT_BYTES, Transform

_FICLONE: Final = 0x40049409  # linux/fs.h
_SMALL_BYTES: Final = 128 << 10
_NOT_CLONED: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY})
_ATTEMPTS: Final = 3

PERMISSIONS: Final = 0o777
"""The bits that a copy keeps: no setuid, setgid or sticky (compat WSP-03)."""


@dataclass(slots=True)
class Copier:
    """Copies files into a directory of ours.

    Attributes:
        owner: Who the copies belong to; None keeps the caller.
    """

    owner: SandboxUser | None
    _clones: bool = True

    def copy(
        self, source_dir: int, name: str, target_dir: int, transform: Transform | None = None
    ) -> os.stat_result:
        """Copy a regular file, and give its status as it was when it was read.

        A file that changes meanwhile is read again; one that goes on changing is taken as it is,
        and its status differs from the next walk's.

        Raises:
            NotRegularError: It is no regular file any more.
            OSError: As open(2); ENOSPC.
        """
        source = open_file(source_dir, os.fsencode(name))
        try:
            target = os.open(
                name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target_dir
            )
            try:
                return self._fill(source, target, transform)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _fill(self, source: int, target: int, transform: Transform | None) -> os.stat_result:
        status = os.fstat(source)
        for attempt in range(_ATTEMPTS):
            if attempt:
                status = os.fstat(source)
                os.lseek(source, 0, os.SEEK_SET)
                os.lseek(target, 0, os.SEEK_SET)
                os.ftruncate(target, 0)
            if transform is None:
                self._content(source, target, status)
            else:
                _transformed(source, target, transform)
            if _same(status, os.fstat(source)):
                break
        self._finish(target, status)
        return status

    def _content(self, source: int, target: int, status: os.stat_result) -> None:
        if self._clones and status.st_size > 0:
            try:
                fcntl.ioctl(target, _FICLONE, source)
            except OSError as error:
                if error.errno not in _NOT_CLONED:
                    raise
                self._clones = False
            else:
                return
        if status.st_blocks * 512 < status.st_size:
            _copy_sparse(source, target, status.st_size)
        elif status.st_size <= _SMALL_BYTES:
            write_all(target, os.read(source, _SMALL_BYTES))
        else:
            _copy_range(source, target, 0, status.st_size)

    def _finish(self, target: int, status: os.stat_result) -> None:
        if self.owner is not None:
            os.fchown(target, self.owner.uid, self.owner.gid)
        os.fchmod(target, stat.S_IMODE(status.st_mode) & PERMISSIONS)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def _transformed(source: int, target: int, transform: Transform) -> None:
    content = bytearray()
    while chunk := os.read(source, _SMALL_BYTES):
        content += chunk
        if len(content) > TRANSFORMED_LIMIT_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    write_all(target, transform(bytes(content)))


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            count = os.copy_file_range(source, target, end - start, start, start)
        except OSError as error:
            if error.errno not in _NOT_CLONED:
                raise
            count = _copy_plain(source, target, start, end)
        if count == 0:
            return
        start += count


def _copy_plain(source: int, target: int, start: int, end: int) -> int:
    content = os.pread(source, min(end - start, _SMALL_BYTES), start)
    return os.pwrite(target, content, start)


def _copy_sparse(source: int, target: int, size: int) -> None:
    os.ftruncate(target, size)
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            raise
        position = min(os.lseek(source, start, os.SEEK_HOLE), size)
        _copy_range(source, target, start, position)
