# SPDX-License-Identifier: Apache-2.0
"""Reads the tar of a layer (POSIX.1-2008 pax, ustar, GNU long names), strictly.

Not `tarfile`: on hostile headers it takes as much memory as they claim, searches them in
quadratic time (CVE-2024-6232), and ends silently at a damaged one. See docs/adr.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bbox_server.infra.images.entry import (
    PATH_LIMIT_BYTES,
    Entry,
    EntryKind,
    EntryPath,
    split_path,
)
from bbox_server.infra.images.faults import corrupt, unsupported
from bbox_server.infra.images.reader import LayerStream

BLOCK_BYTES: Final = 512

# Linux allows 64 KiB of extended attributes a file and 4 KiB of path.
_EXTENSION_LIMIT_BYTES: Final = 1024 * 1024
_ID_LIMIT: Final = 2**32 - 2
_MTIME_LIMIT: Final = 2**32 - 1  # squashfs
_SIZE_LIMIT: Final = 2**62

_KINDS: Final = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"7": EntryKind.FILE,
    b"1": EntryKind.HARDLINK,
    b"2": EntryKind.SYMLINK,
    b"3": EntryKind.SPECIAL,
    b"4": EntryKind.SPECIAL,
    b"5": EntryKind.DIRECTORY,
    b"6": EntryKind.SPECIAL,
}
_OCTAL: Final = re.compile(b"[0-7]*")
_PAX: Final = b"x"
_PAX_GLOBAL: Final = b"g"
_GNU_LONG: Final = {b"L": b"path", b"K": b"linkpath"}

_XATTR: Final = b"SCHILY.xattr."
# The guest's overlayfs acts on its own attributes wherever it finds them in a lower layer;
# `trusted.` is for bookkeeping of that kind, and the rest means nothing in the guest.
_XATTR_KEPT: Final = (b"user.", b"security.capability")
_XATTR_DROPPED: Final = b"user.overlay."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The fields of one block, before the extensions that come ahead of it are applied."""

    name: bytes
    link: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size_bytes: int
    mtime_s: int


def read_entries(stream: LayerStream) -> Iterator[Entry]:
    """Each entry in order. The caller reads a file's content from the stream, whole or in part.

    Raises:
        BboxError: image.corrupt, image.unsupported.
    """
    extensions: dict[bytes, bytes] = {}
    while (header := _read_header(stream)) is not None:
        if header.type in _GNU_LONG:
            text = _read_extension(stream, header).partition(b"\0")[0]
            extensions[_GNU_LONG[header.type]] = text
        elif header.type in {_PAX, _PAX_GLOBAL}:
            records = _read_extension(stream, header)
            if header.type == _PAX:
                extensions.update(_pax_records(records))
        else:
            entry = _entry(header, extensions)
            extensions = {}
            yield from _with_content(stream, entry)
    if extensions:
        raise corrupt("A layer ends after an extended header.")


def _with_content(stream: LayerStream, entry: Entry) -> Iterator[Entry]:
    stream.begin(entry.size_bytes)
    yield entry
    stream.end()
    stream.skip(-entry.size_bytes % BLOCK_BYTES)


def _read_header(stream: LayerStream) -> _Header | None:
    block = stream.read(BLOCK_BYTES)
    if not block.strip(b"\0"):
        return None
    if len(block) != BLOCK_BYTES:
        raise corrupt("A layer ends in the middle of a header.")
    if not _is_checksum(block, _number(block[148:156])):
        raise corrupt("A layer has a damaged header.")
    return _Header(
        name=_name(block),
        link=_text(block[157:257]),
        type=block[156:157],
        mode=_number(block[100:108]) & 0o7777,
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        size_bytes=_number(block[124:136]),
        mtime_s=_number(block[136:148]),
    )


def _is_checksum(block: bytes, said: int) -> bool:
    # The field itself counts as eight spaces. Old writers add signed bytes.
    counted = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(counted)
    # Looked at apart: it takes as long as all the rest of the reader.
    return said == unsigned or said == unsigned - 256 * sum(byte >> 7 for byte in counted)


def _name(block: bytes) -> bytes:
    name = _text(block[0:100])
    # GNU's own format uses the prefix's place for times.
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        return prefix + b"/" + name
    return name


def _text(value: bytes) -> bytes:
    return value.partition(b"\0")[0]


def _number(value: bytes) -> int:
    if value.startswith(b"\xff"):
        # A negative number in GNU's and star's base 256.
        return int.from_bytes(value, "big", signed=True)
    if value[0] & 0x80:
        return int.from_bytes(value, "big") - (0x80 << (8 * (len(value) - 1)))
    digits = _text(value.lstrip(b"\0")).strip(b" ")
    if not _OCTAL.fullmatch(digits):
        raise corrupt("A layer has a header with a field that is no number.")
    return int(digits or b"0", 8)


def _read_extension(stream: LayerStream, header: _Header) -> bytes:
    size = header.size_bytes
    if not 0 <= size <= _EXTENSION_LIMIT_BYTES:
        raise corrupt(f"A layer has an extended header of {size} bytes.")
    content = stream.read_exactly(size)
    stream.skip(-size % BLOCK_BYTES)
    return content


def _pax_records(content: bytes) -> dict[bytes, bytes]:
    records = {}
    position = 0
    while position < len(content):
        # "LENGTH KEY=VALUE\n"; the length counts the whole record.
        space = content.find(b" ", position, position + 20)
        length = _decimal(content[position:space]) if space > 0 else 0
        record = content[space + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if position + length > len(content) or not (equals and value.endswith(b"\n")):
            raise corrupt("A layer has a damaged extended header.")
        records[key] = value[:-1]
        position += length
    return records


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 20:  # noqa: PLR2004 - what 64 bits can have
        raise corrupt("A layer has an extended header with a field that is no number.")
    return int(digits)


def _entry(header: _Header, extensions: Mapping[bytes, bytes]) -> Entry:
    if header.type == b"S" or any(key.startswith(b"GNU.sparse.") for key in extensions):
        raise unsupported("A layer has sparse files.", "Build the image with another builder.")
    name = extensions.get(b"path", header.name)
    kind = _kind(header, name)
    link = extensions.get(b"linkpath", header.link)
    return Entry(
        path=split_path(name),
        kind=kind,
        mode=header.mode,
        uid=_identifier(extensions, b"uid", header.uid),
        gid=_identifier(extensions, b"gid", header.gid),
        mtime_s=_mtime(extensions, header.mtime_s),
        size_bytes=_size(extensions, header.size_bytes) if kind is EntryKind.FILE else 0,
        target=_target(link) if kind is EntryKind.SYMLINK else b"",
        link=_link(link) if kind is EntryKind.HARDLINK else (),
        xattrs=_xattrs(extensions),
    )


def _kind(header: _Header, name: bytes) -> EntryKind:
    kind = _KINDS.get(header.type)
    if kind is None:
        raise unsupported(
            f"A layer has an entry of the type {header.type!r}.",
            "Build the image with another builder.",
        )
    # Before POSIX a directory was a file whose name ends with a slash.
    if kind is EntryKind.FILE and name.endswith(b"/"):
        return EntryKind.DIRECTORY
    return kind


def _identifier(extensions: Mapping[bytes, bytes], key: bytes, value: int) -> int:
    number = _decimal(extensions[key]) if key in extensions else value
    if not 0 <= number <= _ID_LIMIT:
        raise corrupt(f"A layer has an entry with the owner {number}.")
    return number


def _size(extensions: Mapping[bytes, bytes], value: int) -> int:
    number = _decimal(extensions[b"size"]) if b"size" in extensions else value
    if not 0 <= number <= _SIZE_LIMIT:
        raise corrupt(f"A layer has a file of {number} bytes.")
    return number


def _mtime(extensions: Mapping[bytes, bytes], value: int) -> int:
    # With a fraction, perhaps; a time that squashfs can't hold becomes one that it can.
    whole = extensions.get(b"mtime", b"").partition(b".")[0]
    number = _decimal(whole) if whole.isdigit() else value
    return max(0, min(number, _MTIME_LIMIT))


def _target(link: bytes) -> bytes:
    if not link or b"\0" in link or len(link) > PATH_LIMIT_BYTES:
        raise corrupt("A layer has a symbolic link that leads nowhere.")
    return link


def _link(link: bytes) -> EntryPath:
    path = split_path(link)
    if not path:
        raise corrupt("A layer has a hard link to the root.")
    return path


def _xattrs(extensions: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    found = {}
    for key, value in extensions.items():
        name = key.removeprefix(_XATTR)
        kept = name.startswith(_XATTR_KEPT) and not name.startswith(_XATTR_DROPPED)
        if name != key and kept and b"\0" not in name:
            found[name] = value
    return found
