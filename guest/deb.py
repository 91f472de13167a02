# SPDX-License-Identifier: Apache-2.0
"""Debian packages, read as streams (deb(5))."""

import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_MAGIC: Final = b"!<arch>\n"
_HEADER_BYTES: Final = 60


class PackageError(Exception):
    """A file is not the package that it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a package: its content, or where it points when it is a symlink."""

    content: bytes = b""
    target: str = ""


def read_members(package: Path, wanted: Callable[[str], bool]) -> dict[str, Member]:
    """Files and symlinks of `package` whose path (relative, no dot) is wanted.

    The archive is decompressed once, in order: random access in an xz stream is quadratic.
    """
    found: dict[str, Member] = {}
    with _data_archive(package) as archive:
        for entry in archive:
            path = entry.name.removeprefix("./")
            if not wanted(path):
                continue
            if entry.issym():
                found[path] = Member(target=entry.linkname)
            elif entry.isfile() and (stream := archive.extractfile(entry)) is not None:
                found[path] = Member(content=stream.read())
    return found


@contextmanager
def _data_archive(package: Path) -> Iterator[tarfile.TarFile]:
    with package.open("rb") as file:
        name = _seek_to_data(file, package)
        if name == "data.tar.xz":
            with (
                lzma.open(file) as plain,
                tarfile.open(fileobj=plain, mode="r|") as archive,
            ):
                yield archive
        elif name in {"data.tar", "data.tar.gz"}:
            mode = "r|" if name == "data.tar" else "r|gz"
            with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]  # typeshed wants a literal
                yield archive
        else:
            raise PackageError(f"{package.name}: {name} is not a known compression")


def _seek_to_data(file: IO[bytes], package: Path) -> str:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise PackageError(f"{package.name} is not a Debian package")
    while len(header := file.read(_HEADER_BYTES)) == _HEADER_BYTES:
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        if name.startswith("data.tar"):
            return name
        size = int(header[48:58])
        file.seek(size + size % 2, 1)
    raise PackageError(f"{package.name} has no data archive")
