# SPDX-License-Identifier: Apache-2.0
"""Who the user is to git, and the git configuration of the guest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bbox_server.domain.git import Setting, serialized, without_credentials
from bbox_server.domain.workspace import HostPath

VALUE_LIMIT_BYTES: Final = 512
_FORBIDDEN: Final = frozenset('\\[]#;"')

# checkStat, trustctime: the copy has other inodes and times than the index says, and a first
# `git status` would read every file (6.7 s instead of 1, workspace.md 3). createObject: overlayfs
# copies a file that is hard-linked. gc: it would rewrite packs that lie below the overlay.
_PLAIN: Final = (
    Setting(section="core", subsection=None, key="checkStat", value="minimal"),
    Setting(section="core", subsection=None, key="trustctime", value="false"),
    Setting(section="core", subsection=None, key="createObject", value="rename"),
    Setting(section="gc", subsection=None, key="auto", value="0"),
    Setting(section="safe", subsection=None, key="directory", value="*"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRewrite:
    """A beginning of URLs that stands for another (git-config(1), url.<base>.insteadOf)."""

    base: str
    instead_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitIdentity:
    """Who commits, and where to, as the user's git says it in the workspace.

    Attributes:
        name: Empty where git knows none, as the address.
        remotes: URLs of the workspace's own remotes, as they are written; they may hold secrets.
    """

    name: str = ""
    email: str = ""
    rewrites: tuple[UrlRewrite, ...] = ()
    remotes: tuple[str, ...] = ()

    @property
    def author(self) -> tuple[str, str] | None:
        """Name and address that a guest may have; no half of them (compat GIT-10)."""
        name, email = plain_value(self.name), plain_value(self.email)
        return (name, email) if name and email else None


class GitIdentities(Protocol):
    """The user's git, asked who they are."""

    async def find(self, workspace: HostPath) -> GitIdentity:
        """The identity for commits in a directory; empty without git."""
        ...


def guest_config(identity: GitIdentity, extra: Sequence[Setting] = ()) -> str:
    """The guest's ~/.gitconfig (compat GIT-10), with settings of bbox's own at its end."""
    author = identity.author
    who = () if author is None else zip(("name", "email"), author, strict=True)
    settings = (
        *_PLAIN,
        *(Setting(section="user", subsection=None, key=key, value=value) for key, value in who),
        *(
            Setting(section="url", subsection=one.base, key="insteadOf", value=one.instead_of)
            for one in identity.rewrites
            if _is_of_use(one)
        ),
        *extra,
    )
    return serialized(settings).decode("utf-8", "replace")


def author_environment(identity: GitIdentity) -> dict[str, str]:
    """The same for what asks no file: variables that the user's own ones go before (ENV-05)."""
    if identity.author is None:
        return {}
    name, email = identity.author
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }


def plain_value(value: str) -> str:
    """A value without what could end it or its line; too long a one is none (GIT-10)."""
    kept = "".join(c for c in value if c.isprintable() and c not in _FORBIDDEN).strip()
    return kept if len(kept.encode("utf-8", "replace")) <= VALUE_LIMIT_BYTES else ""


def _is_of_use(rewrite: UrlRewrite) -> bool:
    """Whether a rewrite leads somewhere from the guest, and tells it no secret.

    One to SSH would take a public repository out of the agent's reach, which has no key of the
    user's.
    """
    texts = (rewrite.base, rewrite.instead_of)
    return (
        all(text and text.isprintable() and without_credentials(text) == text for text in texts)
        and rewrite.base.startswith(("https://", "http://", "git://"))
        and all(len(text) <= VALUE_LIMIT_BYTES for text in texts)
    )
