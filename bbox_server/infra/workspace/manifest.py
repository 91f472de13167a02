# SPDX-License-Identifier: Apache-2.0
"""A generation's manifest on disk: columns of numbers, which load faster than any rows.

Layout: magic, CRC-32 of the rest, length of the header; the header as JSON (what is small or
rare); then directories, names, and one array each of counts, modes, sizes, times and inodes.
"""

import json
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Final

from bbox_server.domain.excludes import ExcludeRules, PatternLine
from bbox_server.infra.workspace.tree import Row, Tree

_MAGIC: Final = b"bbox-manifest-1\n"
_PREFIX: Final = struct.Struct("<II")
_COLUMNS: Final = ("I", "q", "q", "q", "Q")


class ManifestDamagedError(Exception):
    """The file is none that we wrote, or not all of it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation was made of.

    Attributes:
        stamp_ns: When the walk began that the rows are of; later changes may hide in a row whose
            times are close to it (workspace.md 1, racy-clean).
        rules: What kept the rest out; a diff needs the same.
        built_in: Identifies the rules of this program, which another version may have changed.
        boot: The machine's boot while it was written; files may be cut short after a power loss.
        files: How many regular files there are.
        size_bytes: Of all of them.
    """

    tree: Tree
    stamp_ns: int
    rules: ExcludeRules
    built_in: str = ""
    boot: str = ""
    files: int = 0
    size_bytes: int = 0


def dump(manifest: Manifest) -> bytes:
    """The bytes of a manifest's file."""
    tree = manifest.tree
    header = json.dumps(
        {
            "stamp": manifest.stamp_ns,
            "boot": manifest.boot,
            "built_in": manifest.built_in,
            "files": manifest.files,
            "size_bytes": manifest.size_bytes,
            "rules": asdict(manifest.rules),
            "links": tree.links,
            "absent": tree.absent,
            "skip_worktree": tree.skip_worktree,
            "git_directories": tree.git_directories,
            "sources": tree.sources,
        }
    ).encode()
    rows = list(chain.from_iterable(tree.rows.values()))
    names, *numbers = zip(*rows, strict=True) if rows else ((),) * (1 + len(_COLUMNS))
    blobs = [
        header,
        _text(tree.rows),
        _text(names),
        array("I", map(len, tree.rows.values())).tobytes(),
        *(array(code, column).tobytes() for code, column in zip(_COLUMNS, numbers, strict=True)),
    ]
    body = b"".join((_lengths(blobs), *blobs))
    return b"".join((_MAGIC, _PREFIX.pack(zlib.crc32(body), len(blobs)), body))


def load(content: bytes) -> Manifest:
    """The manifest of a file's bytes.

    Raises:
        ManifestDamagedError: They are not what `dump` gave, or another version's.
    """
    try:
        return _load(content)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise ManifestDamagedError from error


def _load(content: bytes) -> Manifest:
    start = len(_MAGIC) + _PREFIX.size
    if not content.startswith(_MAGIC) or len(content) < start:
        raise ManifestDamagedError
    checksum, count = _PREFIX.unpack_from(content, len(_MAGIC))
    body = memoryview(content)[start:]
    if zlib.crc32(body) != checksum:
        raise ManifestDamagedError
    header, directories, names, counts, *columns = _blobs(body, count)
    details = json.loads(bytes(header))
    return Manifest(
        tree=Tree(
            rows=_rows(_strings(directories), _numbers("I", counts), _strings(names), columns),
            links=details["links"],
            absent=details["absent"],
            skip_worktree=details["skip_worktree"],
            git_directories=details["git_directories"],
            sources=details["sources"],
        ),
        stamp_ns=details["stamp"],
        boot=details["boot"],
        built_in=details["built_in"],
        files=details["files"],
        size_bytes=details["size_bytes"],
        rules=_rules(details["rules"]),
    )


def read(path: Path) -> Manifest:
    """The manifest in a file. Raises as `load`, and OSError."""
    return load(path.read_bytes())


def _rules(details: Mapping[str, Sequence[Mapping[str, str | int]]]) -> ExcludeRules:
    return ExcludeRules(
        file_patterns=_lines(details["file_patterns"]),
        extra_patterns=_lines(details["extra_patterns"]),
        gitignore_patterns=_lines(details["gitignore_patterns"]),
        warnings=tuple(map(str, details["warnings"])),
    )


def _lines(details: Sequence[Mapping[str, str | int]]) -> tuple[PatternLine, ...]:
    return tuple(
        PatternLine(text=str(each["text"]), source=str(each["source"]), number=int(each["number"]))
        for each in details
    )


def _rows(
    directories: list[str], counts: list[int], names: list[str], columns: list[memoryview]
) -> dict[str, list[Row]]:
    numbers = [_numbers(code, column) for code, column in zip(_COLUMNS, columns, strict=True)]
    rows: list[Row] = list(zip(names, *numbers, strict=True))
    ends = pairwise(accumulate(counts, initial=0))
    return {
        directory: rows[first:last]
        for directory, (first, last) in zip(directories, ends, strict=True)
    }


def _text(names: Iterable[str]) -> bytes:
    # No name holds a NUL. An empty list and a list of one empty name must differ: the root's.
    return os.fsencode("".join(f"{name}\0" for name in names))


def _strings(blob: memoryview) -> list[str]:
    return os.fsdecode(bytes(blob)).split("\0")[:-1]


def _numbers(code: str, blob: memoryview) -> list[int]:
    column = array(code)
    column.frombytes(blob)
    return column.tolist()


def _lengths(blobs: list[bytes]) -> bytes:
    return array("Q", map(len, blobs)).tobytes()


def _blobs(body: memoryview, count: int) -> list[memoryview]:
    size = array("Q").itemsize * count
    ends = accumulate(_numbers("Q", body[:size]), initial=size)
    return [body[first:last] for first, last in pairwise(ends)]
