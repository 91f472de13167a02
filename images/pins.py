# SPDX-License-Identifier: Apache-2.0
"""`pins.yaml`, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

PINS: Final = Path(__file__).with_name("pins.yaml")
NPM_AGENTS: Final = ("codex", "claude-code", "opencode", "gemini")
_EVERY_MACHINE: Final = "any"


class BuildError(Exception):
    """A build that can't go on; its text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePin:
    """The Node of one architecture; see `node.py`."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePins:
    """The base image."""

    series: str
    packages: tuple[str, ...]
    node: NodePin


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPin:
    """One npm package; the integrity is npm's own form of it (`sha512-BASE64`)."""

    name: str
    integrity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPins:
    """A Python program with all that it needs.

    Attributes:
        wheels: By `NAME==VERSION`, the sha256 of every wheel that may be taken.
    """

    version: str
    package: str
    wheels: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the file says for one architecture.

    Attributes:
        npm: By the agent; one whose package isn't there for this architecture is missing.
    """

    architecture: str
    source_date_epoch: int
    base: BasePins
    npm: Mapping[str, NpmPin]
    hermes: WheelPins

    def npm_of(self, agent: str) -> NpmPin:
        """An agent's package. Raises: BuildError when there is none for this architecture."""
        if agent not in self.npm:
            raise BuildError(f"{PINS.name} has no package of {agent} for {self.architecture}.")
        return self.npm[agent]


def read_pins(architecture: str) -> Pins:
    """The pins for an architecture. Raises: BuildError when there are none for it."""
    document = read_document()
    base, node, hermes = document["base"], document["base"]["node"], document["hermes"]
    packages = {name: document[name]["npm"] for name in NPM_AGENTS}
    npm = {
        name: NpmPin(**by_machine.get(architecture) or by_machine[_EVERY_MACHINE])
        for name, by_machine in packages.items()
        if {architecture, _EVERY_MACHINE} & by_machine.keys()
    }
    if "codex" not in npm:
        raise BuildError(f"{PINS.name} has no packages for {architecture}.")
    return Pins(
        architecture=architecture,
        source_date_epoch=document["source_date_epoch"],
        base=BasePins(
            series=base["series"],
            packages=tuple(base["packages"]),
            node=NodePin(version=node["version"], sha256=node["sha256"].get(architecture, "")),
        ),
        npm=npm,
        hermes=WheelPins(
            version=hermes["version"],
            package=hermes["package"],
            wheels={name: tuple(digests) for name, digests in hermes["wheels"].items()},
        ),
    )


def read_document() -> dict[str, Any]:
    """The whole file, as it is written."""
    document: dict[str, Any] = yaml.safe_load(PINS.read_bytes())
    return document
