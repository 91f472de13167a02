# SPDX-License-Identifier: Apache-2.0
"""What a workspace's .broodbox.yaml asks for beyond the user's own settings (compat P-25)."""

from bbox_server.domain.config.source import TrustDecision
from bbox_server.wire.model import Message


class TrustParams(Message):
    """A workspace, as a file: URI."""

    workspace_uri: str


class TrustMessage(Message):
    """What is asked for, one thing a line, and what the user said of exactly this file.

    No `digest`: there is no such file. Without a decision nothing of `widening` is applied.
    """

    workspace_uri: str
    digest: str | None = None
    decision: TrustDecision | None = None
    widening: tuple[str, ...] = ()


class TrustDecideParams(Message):
    """What the user says of the file with this digest; another content is asked for anew."""

    workspace_uri: str
    digest: str
    decision: TrustDecision
