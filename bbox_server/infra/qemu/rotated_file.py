# SPDX-License-Identifier: Apache-2.0
"""A log file of bounded size."""

from pathlib import Path


class RotatedFile:
    """Bytes go to a file, and from there to `NAME.1` when it is full; what was there is lost.

    A disk that is full ends the log and nothing else: it is worth less than the session.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._file = path.open("wb", buffering=0)
        self._written_bytes = 0

    def write(self, content: bytes) -> None:
        """Add bytes that belong together; nothing happens after `close`."""
        if self._file.closed:
            return
        try:
            if self._written_bytes + len(content) > self._limit_bytes:
                self._rotate()
            self._written_bytes += self._file.write(content)
        except OSError:
            self._file.close()

    def close(self) -> None:
        """End the log; harmless twice."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._file = self._path.open("wb", buffering=0)
        self._written_bytes = 0
