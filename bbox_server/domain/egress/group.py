# SPDX-License-Identifier: Apache-2.0
"""Named groups of hosts that the standard profile adds, each with its reason (P-30)."""

from dataclasses import dataclass
from typing import Final, Protocol

from bbox_server.domain.egress.rule import HostRule


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGroup:
    """Hosts that belong together.

    Attributes:
        reason: One sentence for the user: what stops working without it.
    """

    name: str
    reason: str
    rules: tuple[HostRule, ...]


class PackageHosts(Protocol):
    """Where the user's own package managers fetch from."""

    async def groups(self) -> tuple[HostGroup, ...]:
        """One group a client, from its configuration and its defaults; a missing client has none.

        Best effort: a client that can't be asked in time has none either.
        """
        ...


def _https(*names: str) -> tuple[HostRule, ...]:
    return tuple(HostRule(name=name, ports=(443,)) for name in names)


GITHUB: Final = HostGroup(
    name="github",
    reason="Clone, fetch and push on GitHub; its API; archives, raw files and releases.",
    rules=(
        HostRule(name="github.com", ports=(443, 22)),
        *_https("api.github.com", "codeload.github.com", "uploads.github.com"),
        *_https("*.githubusercontent.com"),
    ),
)

GIT_HOSTS: Final = HostGroup(
    name="git-hosts",
    reason="Clone, fetch and push on the other large git hosts.",
    rules=(
        HostRule(name="gitlab.com", ports=(443, 22)),
        HostRule(name="bitbucket.org", ports=(443, 22)),
        HostRule(name="codeberg.org", ports=(443, 22)),
    ),
)

# Docker Hub's blobs come from below docker.com since it left R2 (docker/docs#25304, 2026-06).
CONTAINERS: Final = HostGroup(
    name="containers",
    reason="Pull images: Docker Hub with its login and blobs, GitHub's registry, Quay.",
    rules=_https("*.docker.io", "*.docker.com", "ghcr.io", "quay.io", "*.quay.io"),
)

BUILT_IN_GROUPS: Final = (GITHUB, GIT_HOSTS, CONTAINERS)
"""Package managers' hosts are no part of the code: see `PackageHosts`."""


def rules_of(groups: tuple[HostGroup, ...]) -> tuple[HostRule, ...]:
    """The rules of all groups, each once."""
    return tuple(dict.fromkeys(rule for group in groups for rule in group.rules))
