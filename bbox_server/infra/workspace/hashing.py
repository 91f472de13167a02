# SPDX-License-Identifier: Apache-2.0
"""Content hashes of both sides, each computed once."""

import errno
import hashlib
import os
import time
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.workspace import Digest
from bbox_server.infra.workspace.beneath import digest_beneath, open_beneath
from bbox_server.infra.workspace.upper import UpperEntry

_RACY_NS: Final = 2_000_000_000
_CHUNK_BYTES: Final = 1 << 20


def is_settled(entry: UpperEntry) -> bool:
    """Whether the file's status will tell of any further change.

    What changed in the same tick of the clock as it was read may change again unnoticed.
    """
    return entry.ctime_ns < time.time_ns() - _RACY_NS


class Hashes:
    """Computes each hash of the baseline once: generations never change.

    Attributes:
        baseline_fd: Of the generation.
        upper_fd: Of the agent's directory; both stay the caller's.
    """

    def __init__(self, *, baseline_fd: int, upper_fd: int) -> None:
        self._baseline_fd = baseline_fd
        self._upper_fd = upper_fd
        self._baseline: dict[str, Digest] = {}

    def of_baseline(self, path: str) -> Digest:
        """Of a file in the generation. Raises: OSError."""
        known = self._baseline.get(path)
        if known is None:
            place = PurePosixPath(path)
            known = self._baseline[path] = digest_beneath(self._baseline_fd, place)
        return known

    def of_agent(self, path: str, limit_bytes: int) -> Digest:
        """Of a file in the agent's directory, as it is now.

        Raises:
            OSError: It is gone, no file any more, or larger than the limit: a guest could make it
                grow for as long as somebody reads it.
        """
        fd = open_beneath(self._upper_fd, PurePosixPath(path))
        hasher = hashlib.sha256()
        with os.fdopen(fd, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
                limit_bytes -= len(chunk)
                if limit_bytes < 0:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return Digest(hasher.hexdigest())
