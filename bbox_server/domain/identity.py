# SPDX-License-Identifier: Apache-2.0
"""Who the user is to git, and the git configuration of the guest."""

from dataclasses import dataclass
from typing import Final, Protocol

VALUE_LIMIT_BYTES: Final = 512
_FORBIDDEN: Final = frozenset('\\[]#;"')

# checkStat, trustctime: the copy has other inodes and times than the index says, and a first
# `git status` would read every file (6.7 s instead of 1, workspace.md 3). createObject: overlayfs
# copies a file that is hard-linked. gc: it would rewrite packs that lie below the overlay.
_PLAIN: Final = """\
[core]
\tcheckStat = minimal
\ttrustctime = false
\tcreateObject = rename
[gc]
\tauto = 0
[safe]
\tdirectory = *
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitIdentity:
    """Name and address for commits; empty where git knows none."""

    name: str = ""
    email: str = ""


class GitIdentities(Protocol):
    """The user's git, asked who they are."""

    async def find(self) -> GitIdentity:
        """The identity of the user's own configuration; empty without git."""
        ...


def guest_config(identity: GitIdentity) -> str:
    """The guest's ~/.gitconfig. No identity at all is better than half of one (compat GIT-10)."""
    name, email = _plain(identity.name), _plain(identity.email)
    if not name or not email:
        return _PLAIN
    return f"{_PLAIN}[user]\n\tname = {name}\n\temail = {email}\n"


def _plain(value: str) -> str:
    kept = "".join(c for c in value if c.isprintable() and c not in _FORBIDDEN).strip()
    return kept if len(kept.encode("utf-8", "replace")) <= VALUE_LIMIT_BYTES else ""
