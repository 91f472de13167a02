# SPDX-License-Identifier: Apache-2.0
"""Writes tar headers for `tar2sqfs`: ustar, with pax records where a field is too small."""

from typing import Final

from bbox_server.infra.images.entry import Entry, EntryKind

_TYPES: Final = {
    EntryKind.FILE: b"0",
    EntryKind.HARDLINK: b"1",
    EntryKind.SYMLINK: b"2",
    EntryKind.DIRECTORY: b"5",
}
_BLOCK_BYTES: Final = 512
_NAME_BYTES: Final = 100
_OCTAL_7: Final = 8**7
_OCTAL_11: Final = 8**11

END: Final = bytes(2 * _BLOCK_BYTES)


def header(entry: Entry, name: bytes) -> bytes:
    """The blocks that come before an entry's content; the entry's own path is not looked at."""
    if entry.kind is EntryKind.DIRECTORY:
        name += b"/"
    return _pax(_records(entry, name)) + _block(entry, name, _TYPES[entry.kind])


def link_header(name: bytes, target: bytes) -> bytes:
    """The blocks of a hard link."""
    entry = Entry(path=(), kind=EntryKind.HARDLINK, target=target)
    return header(entry, name)


def padding(size_bytes: int) -> bytes:
    """What fills the last block of an entry's content."""
    return bytes(-size_bytes % _BLOCK_BYTES)


def _records(entry: Entry, name: bytes) -> list[tuple[bytes, bytes]]:
    fields = (
        (b"path", name, len(name) > _NAME_BYTES),
        (b"linkpath", entry.target, len(entry.target) > _NAME_BYTES),
        (b"size", b"%d" % entry.size_bytes, entry.size_bytes >= _OCTAL_11),
        (b"uid", b"%d" % entry.uid, entry.uid >= _OCTAL_7),
        (b"gid", b"%d" % entry.gid, entry.gid >= _OCTAL_7),
    )
    records = [(key, value) for key, value, needed in fields if needed]
    records += [(b"SCHILY.xattr." + key, value) for key, value in sorted(entry.xattrs.items())]
    return records


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    if not records:
        return b""
    content = b"".join(_record(key, value) for key, value in records)
    extended = Entry(path=(), kind=EntryKind.FILE, mode=0o644, size_bytes=len(content))
    return _block(extended, b"pax", b"x") + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    # The length counts its own digits.
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(entry: Entry, name: bytes, type_: bytes) -> bytes:
    block = b"".join(
        (
            name[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
            b"%07o\0" % entry.mode,
            b"%07o\0" % (entry.uid % _OCTAL_7),
            b"%07o\0" % (entry.gid % _OCTAL_7),
            b"%011o\0" % (entry.size_bytes % _OCTAL_11),
            b"%011o\0" % entry.mtime_s,
            b" " * 8,
            type_,
            entry.target[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
            b"ustar\x0000",
        )
    ).ljust(_BLOCK_BYTES, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
