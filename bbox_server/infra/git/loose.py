# SPDX-License-Identifier: Apache-2.0
"""Loose objects of a guest, made into a pack of ours (gitformat-pack(5)).

git reads a pack with its own checks (`index-pack`); a file of the guest's never lies in a
repository that git looks at.
"""

import hashlib
import struct
import zlib
from typing import Final

_KINDS: Final = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}
_SIGNATURE: Final = b"PACK"
_VERSION: Final = 2
_LEVEL: Final = 1

OBJECT_BYTES: Final = 256 << 20
"""The largest object that is unpacked."""

UNPACKED_BYTES: Final = 4 << 30
"""Of all objects together."""


class LooseError(Exception):
    """A file that is no object, or more than is unpacked."""


class LoosePack:
    """Collects objects; each once."""

    def __init__(self, object_format: str) -> None:
        self._format = object_format
        self._body = bytearray()
        self._left = UNPACKED_BYTES
        self._names: set[str] = set()

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, content: bytes) -> None:
        """Take a file of the object store. Raises: LooseError, where it is not what it claims."""
        data = _inflated(content, min(OBJECT_BYTES, self._left))
        header, _, body = data.partition(b"\0")
        kind, _, size = header.partition(b" ")
        if kind not in _KINDS or size != str(len(body)).encode():
            raise LooseError("it has no object's header")
        if hashlib.new(self._format, data, usedforsecurity=False).hexdigest() != name:
            raise LooseError("its content is another object's")
        if name not in self._names:
            self._names.add(name)
            self._left -= len(data)
            self._body += _entry_header(_KINDS[kind], len(body))
            self._body += zlib.compress(body, _LEVEL)

    def content(self) -> bytes:
        """The whole pack."""
        head = _SIGNATURE + struct.pack(">II", _VERSION, len(self._names))
        content = head + self._body
        return content + hashlib.new(self._format, content, usedforsecurity=False).digest()


def _inflated(content: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(content, limit + 1)
    except zlib.error as error:
        raise LooseError(str(error)) from error
    if len(data) > limit or not inflater.eof:
        raise LooseError("it is too large, or cut short")
    return data


def _entry_header(kind: int, size: int) -> bytes:
    """Kind and size, seven bits a byte but for the first one's four."""
    first, size = size & 0xF, size >> 4
    encoded = bytearray([kind << 4 | first])
    while size:
        encoded[-1] |= 0x80
        encoded.append(size & 0x7F)
        size >>= 7
    return bytes(encoded)
