# SPDX-License-Identifier: Apache-2.0
"""The guest's terminal on the wire (protocol.md).

Bytes are numbered from the terminal's beginning. A client acknowledges what it has shown; the
server sends `window` bytes ahead of that and no more.
"""

from pydantic import Field

from bbox_server.domain.terminal import OutputStream
from bbox_server.wire.model import Base64, Message
from bbox_server.wire.run import TerminalSizeMessage

# Base64 of one input: what a user pastes.
INPUT_LIMIT = 1 << 20


class TerminalOpenParams(Message):
    """See the terminal from a byte on; with a size when it is this client's to set."""

    session: str
    from_byte: int = Field(default=0, ge=0)
    size: TerminalSizeMessage | None = None


class TerminalOpened(Message):
    """A view of the terminal. `fromByte` is later than asked for where the start is gone."""

    terminal: str
    from_byte: int
    end_byte: int
    window: int


class TerminalInputParams(Message):
    """What the user typed, base64; `end` closes the agent's input (pipes only)."""

    session: str
    terminal: str
    data: Base64 = Field(default="", max_length=INPUT_LIMIT)
    end: bool = False


class TerminalResizeParams(Message):
    """The size of this client's view; the last one that was set counts."""

    session: str
    terminal: str
    size: TerminalSizeMessage


class TerminalAckParams(Message):
    """Everything before `byte` has been shown."""

    session: str
    terminal: str
    byte: int = Field(ge=0)


class TerminalCloseParams(Message):
    """End a view; the agent runs on."""

    session: str
    terminal: str


class TerminalData(Message):
    """Output, base64. A `fromByte` beyond the end of the last data says that bytes are gone."""

    session: str
    terminal: str
    from_byte: int
    data: Base64
    stream: OutputStream = OutputStream.OUTPUT


class TerminalEnded(Message):
    """The agent has ended and all of its output was sent."""

    session: str
    terminal: str
    end_byte: int
