# SPDX-License-Identifier: Apache-2.0
"""`pins.yaml`, as values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

PINS: Final = Path(__file__).with_name("pins.yaml")


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
class Pins:
    """What the file says for one architecture."""

    source_date_epoch: int
    base: BasePins
    codex: NpmPin


def read_pins(architecture: str) -> Pins:
    """The pins for an architecture. Raises: BuildError when there are none for it."""
    document = yaml.safe_load(PINS.read_bytes())
    base, node, codex = document["base"], document["base"]["node"], document["codex"]
    if architecture not in codex["packages"]:
        raise BuildError(f"{PINS} has no packages for {architecture}.")
    return Pins(
        source_date_epoch=document["source_date_epoch"],
        base=BasePins(
            series=base["series"],
            packages=tuple(base["packages"]),
            node=NodePin(version=node["version"], sha256=node["sha256"].get(architecture, "")),
        ),
        codex=NpmPin(**codex["packages"][architecture]),
    )
