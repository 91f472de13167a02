# SPDX-License-Identifier: Apache-2.0
"""The unprivileged user that QEMU and its daemons run as."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FALLBACK_ID: Final = 64998
"""Unallocated in Debian's reserved range (Debian policy 9.2.2); needs no account."""

_DECIMAL: Final = re.compile("[0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxUser:
    """Numeric user and group; the user is never root. An ordinary user's group may be 0."""

    uid: int
    gid: int

    def __post_init__(self) -> None:
        if self.uid <= 0 or self.gid < 0:
            msg = "the sandbox user is never root"
            raise ValueError(msg)


def resolve_sandbox_user(*, uid: int, gid: int, environment: Mapping[str, str]) -> SandboxUser:
    """The caller itself, or, for root, who called sudo, or a number nobody has.

    Args:
        uid: The caller's effective user.
        gid: The caller's effective group; root's for any user in some containers.
        environment: The caller's, for SUDO_UID and SUDO_GID.
    """
    if uid != 0:
        return SandboxUser(uid=uid, gid=gid)
    sudo_uid = _identifier(environment.get("SUDO_UID", ""))
    if sudo_uid == 0:
        return SandboxUser(uid=FALLBACK_ID, gid=FALLBACK_ID)
    sudo_gid = _identifier(environment.get("SUDO_GID", ""))
    return SandboxUser(uid=sudo_uid, gid=sudo_gid or sudo_uid)


def _identifier(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        return 0
    # 2^32 - 1 means "leave unchanged" to setresuid(2).
    number = int(text)
    return number if number < 2**32 - 1 else 0
