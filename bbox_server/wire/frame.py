# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC's frames as the Language Server Protocol has them (LSP 3.17, base protocol)."""

import asyncio
import json
from typing import Final

BODY_LIMIT_BYTES: Final = 32 << 20
"""A content of 16 MiB in base64, and what is around it."""

HEADER_LIMIT_LINES: Final = 16
_LENGTH: Final = b"content-length:"
_DIGITS: Final = 10

JsonObject = dict[str, object]


class FrameError(Exception):
    """What was read is no frame.

    `is_synced` says that the next frame begins where reading stopped.
    """

    def __init__(self, message: str, *, is_synced: bool = False) -> None:
        super().__init__(message)
        self.is_synced = is_synced


def encode_frame(message: JsonObject) -> bytes:
    """A message with its header."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


async def read_frame(reader: asyncio.StreamReader) -> JsonObject | None:
    """The next message; None at the end. Raises: FrameError."""
    body = await read_body(reader)
    return None if body is None else decode_body(body)


async def read_body(reader: asyncio.StreamReader) -> bytes | None:
    """The next message as it came; None at the end. Raises: FrameError."""
    try:
        length = await _read_header(reader)
        return None if length is None else await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def decode_body(body: bytes) -> JsonObject:
    """A message from its bytes. Raises: FrameError."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError("the body is no JSON", is_synced=True) from error
    if not isinstance(message, dict):
        raise FrameError("the body is no object", is_synced=True)
    return message


async def _read_header(reader: asyncio.StreamReader) -> int | None:
    length: int | None = None
    for _ in range(HEADER_LIMIT_LINES):
        try:
            line = await reader.readline()
        except ValueError as error:
            raise FrameError("a header line is too long") from error
        if not line:
            return None
        if line in {b"\r\n", b"\n"}:
            if length is None:
                raise FrameError("there is no Content-Length", is_synced=True)
            return length
        if line.lower().startswith(_LENGTH):
            length = _length(line[len(_LENGTH) :].strip())
    raise FrameError("the header has no end")


def _length(text: bytes) -> int:
    if not text.isdigit() or len(text) > _DIGITS or int(text) > BODY_LIMIT_BYTES:
        raise FrameError("the length is not one, or too large")
    return int(text)
