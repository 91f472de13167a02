# SPDX-License-Identifier: Apache-2.0
"""Whether the host's login is better than the saved one (compat CRD-06)."""

import json
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.login import FILE_BYTES, CredentialFile

CLAUDE: Final = PurePosixPath(".claude/.credentials.json")


def is_worth_seeding(host: CredentialFile, saved: CredentialFile | None, now_ms: float) -> bool:
    """Whether to replace the saved file; one that tells no expiry is never replaced."""
    if len(host.content) > FILE_BYTES or not _is_json(host.content):
        return False
    if saved is None:
        return True
    if host.path != CLAUDE:
        return False
    saved_until, host_until = expires_at_ms(saved.content), expires_at_ms(host.content)
    return saved_until <= now_ms and host_until > saved_until


def expires_at_ms(content: bytes) -> float:
    """When Claude's login ends, in milliseconds since the epoch; 0 where it isn't told."""
    try:
        value = json.loads(content)["claudeAiOauth"]["expiresAt"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True
