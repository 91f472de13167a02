# SPDX-License-Identifier: Apache-2.0
"""Keys that are decoded and merged, and that nothing acts on: that is said, not hidden."""

from collections.abc import Iterator
from typing import Final

from bbox_server.domain.config.listing import listed
from bbox_server.domain.config.problem import KeyPath
from bbox_server.domain.config.sections import Config
from bbox_server.domain.direct import WorkspaceMode

NOT_YET: Final = "this version does not act on it"
NOTHING_HIDDEN: Final = "no effect in direct mode: the workspace is shared as it is"
NOTHING_TO_REVIEW: Final = "no effect in direct mode: there is nothing to review"
NO_DOWNLOAD: Final = "no effect: the firmware comes with the guest system, nothing is downloaded"
BUILT_IN_HOSTS: Final = "no effect on a built-in agent; use allow_hosts"
BUILT_IN_LOGIN: Final = "no effect on a built-in agent, which has its own list"

# The first keys of a path, `*` for any name. Who makes one work takes its line away.
WITHOUT_EFFECT: Final[dict[tuple[str, ...], str]] = {
    ("mcp",): NOT_YET,
    ("runtime",): NO_DOWNLOAD,
    ("agents", "*", "mcp"): NOT_YET,
}


def without_effect(config: Config, built_in: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """The keys that are set for nothing, each section once, and why.

    What is switched off is as it should be where there is nothing to switch on.
    """
    found = {
        path[: len(keys)]: why
        for path, leaf in listed(config)
        for keys, why in WITHOUT_EFFECT.items()
        if leaf is not False and _begins(path, keys)
    }
    yield from found.items()
    yield from _of_built_in(config, built_in)
    yield from _of_direct_mode(config)


def _of_built_in(config: Config, built_in: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    for name in built_in & config.agents.keys():
        section = config.agents[name]
        if section.egress_hosts is not None:
            yield ("agents", name, "egress_hosts"), BUILT_IN_HOSTS
        if section.settings is not None:
            yield ("agents", name, "settings"), BUILT_IN_LOGIN
        if section.credentials.persist is not None:
            yield ("agents", name, "credentials"), BUILT_IN_LOGIN


def _of_direct_mode(config: Config) -> Iterator[tuple[KeyPath, str]]:
    if config.workspace.mode is not WorkspaceMode.DIRECT:
        return
    if config.review.exclude_patterns:
        yield ("review", "exclude_patterns"), NOTHING_HIDDEN
    if config.review.enabled or config.review.auto_accept:
        yield ("review",), NOTHING_TO_REVIEW


def _begins(path: KeyPath, keys: tuple[str, ...]) -> bool:
    return len(path) >= len(keys) and all(
        key in {"*", part} for key, part in zip(keys, path, strict=False)
    )
