# SPDX-License-Identifier: Apache-2.0
"""Which shared libraries a program needs (ELF-64, little-endian)."""

import struct
from typing import Final

MAGIC: Final = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB = 1, 5
_ELF64_LITTLE_ENDIAN: Final = b"\x02\x01"


class ElfError(Exception):
    """The image is not one that this reader understands."""


def needed_libraries(image: bytes) -> tuple[str, ...]:
    """Names of the libraries that the dynamic linker loads for `image`; none when it is static."""
    try:
        return _needed(image)
    except (struct.error, OverflowError, ValueError) as error:
        raise ElfError(f"damaged ELF image: {error}") from error


def _needed(image: bytes) -> tuple[str, ...]:
    if image[:4] != MAGIC or image[4:6] != _ELF64_LITTLE_ENDIAN:
        raise ElfError("not a 64-bit little-endian ELF image")
    segments = _segments(image)
    dynamic = next((segment for segment in segments if segment[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return ()
    _, offset, _, size = dynamic
    end = offset + size - size % 16
    tags = list(struct.iter_unpack("<qQ", image[offset:end]))
    names = [value for tag, value in tags if tag == _DT_NEEDED]
    table = next((value for tag, value in tags if tag == _DT_STRTAB), None)
    if not names:
        return ()
    if table is None:
        raise ElfError("no string table")
    strings = _file_offset(segments, table)
    return tuple(_text(image, strings + name) for name in names)


def _segments(image: bytes) -> list[tuple[int, int, int, int]]:
    (table,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    rows = (struct.unpack_from("<IIQQQQ", image, table + i * size) for i in range(count))
    return [(kind, offset, address, length) for kind, _, offset, address, _, length in rows]


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == _PT_LOAD and start <= address < start + length:
            return offset + address - start
    raise ElfError("the string table is in no segment")


def _text(image: bytes, start: int) -> str:
    return image[start : image.index(b"\0", start)].decode("ascii")
