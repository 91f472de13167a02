# SPDX-License-Identifier: Apache-2.0
"""The first words of a connection, and what is done to sessions (protocol.md)."""

from enum import StrEnum
from typing import Final

from bbox_server.wire.model import Message

PROTOCOL_VERSION: Final = 1
"""Counts up when a client of before would not understand any more."""


class InitializeParams(Message):
    """Over LSP: `initializationOptions.bbox`. Over the session API: params of `initialize`."""

    protocol_version: int


class InitializeResult(Message):
    """Over LSP: `capabilities.experimental.bbox`."""

    protocol_version: int
    version: str


class SessionsListParams(Message):
    """Sessions of one workspace (file: URI) or of all; the ended ones only if wanted."""

    workspace_uri: str | None = None
    ended_too: bool = False


class HowToStop(StrEnum):
    """Gracefully: the agent and the guest get time to end."""

    GRACEFUL = "graceful"
    NOW = "now"


class StopParams(Message):
    """End a session's agent and its microVM; the changes stay for review."""

    session: str
    mode: HowToStop = HowToStop.GRACEFUL
