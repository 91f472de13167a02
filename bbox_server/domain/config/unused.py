# SPDX-License-Identifier: Apache-2.0
"""Keys that are decoded and merged, and that nothing acts on: that is said, not hidden."""

from collections.abc import Iterator
from typing import Final

from bbox_server.domain.config.listing import listed
from bbox_server.domain.config.problem import KeyPath
from bbox_server.domain.config.sections import Config, WorkspaceMode

NOT_YET: Final = "this version does not act on it"
NO_DOWNLOAD: Final = "no effect: the firmware comes with the guest system, nothing is downloaded"
BUILT_IN_HOSTS: Final = "no effect on a built-in agent; use allow_hosts"

# The first keys of a path, `*` for any name. Who makes one work takes its line away.
WITHOUT_EFFECT: Final[dict[tuple[str, ...], str]] = {
    ("image", "pull"): NOT_YET,
    ("mcp",): NOT_YET,
    ("git",): NOT_YET,
    ("settings_import",): NOT_YET,
    ("auth",): NOT_YET,
    ("runtime",): NO_DOWNLOAD,
    ("agents", "*", "env_required"): NOT_YET,
    ("agents", "*", "credentials"): NOT_YET,
    ("agents", "*", "settings"): NOT_YET,
    ("agents", "*", "mcp"): NOT_YET,
    ("agents", "*", "settings_import"): NOT_YET,
}


def without_effect(config: Config, built_in: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """The keys that are set for nothing, each section once, and why.

    What is switched off is as it should be where there is nothing to switch on.
    """
    said: set[KeyPath] = set()
    for path, leaf in listed(config):
        if leaf is False:
            continue
        for keys, why in WITHOUT_EFFECT.items():
            if _begins(path, keys) and path[: len(keys)] not in said:
                said.add(path[: len(keys)])
                yield path[: len(keys)], why
    for name, section in config.agents.items():
        if section.egress_hosts is not None and name in built_in:
            yield ("agents", name, "egress_hosts"), BUILT_IN_HOSTS
    if config.workspace.mode is WorkspaceMode.DIRECT:
        yield ("workspace", "mode"), f"{NOT_YET}: the agent gets a snapshot"


def _begins(path: KeyPath, keys: tuple[str, ...]) -> bool:
    return len(path) >= len(keys) and all(
        key in {"*", part} for key, part in zip(keys, path, strict=False)
    )
