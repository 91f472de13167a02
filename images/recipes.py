# SPDX-License-Identifier: Apache-2.0
"""How each image is made: what goes into the context of its Containerfile."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from images.node import copy_node
from images.npm import extract, fetch
from images.pins import Pins
from images.rootfs import build_rootfs
from images.wheels import install

_CODEX_VENDOR: Final = {
    "amd64": "x86_64-unknown-linux-musl",
    "arm64": "aarch64-unknown-linux-musl",
}

Prepare = Callable[[Pins, Path, Path], None]
"""Fills a context, the second; the third keeps what was downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one image is made.

    Attributes:
        pinned: What of the pins goes into it.
        prepare: Fills the Containerfile's context.
        modules: Of this package; when one of them changes, the image is built anew.
        base: The image that it is built from, or empty.
    """

    name: str
    pinned: Callable[[Pins], object]
    prepare: Prepare
    modules: tuple[str, ...]
    base: str = "base"


def _prepare_base(pins: Pins, context: Path, _work: Path) -> None:
    build_rootfs(pins, context / "rootfs.tar")
    copy_node(pins.base.node, context / "node")


def _from_npm(agent: str, taken: Callable[[str], dict[str, str]]) -> Recipe:
    """`taken`: of an architecture, what of the package goes where in the context."""

    def prepare(pins: Pins, context: Path, work: Path) -> None:
        archive = fetch(pins.npm_of(agent), work / "npm")
        extract(archive, taken(pins.architecture), context)

    return Recipe(
        name=agent,
        pinned=lambda pins: pins.npm_of(agent),
        prepare=prepare,
        modules=("containerfile", "npm", "recipes"),
    )


def _codex(architecture: str) -> dict[str, str]:
    vendor = f"package/vendor/{_CODEX_VENDOR[architecture]}"
    return {
        f"{vendor}/bin": "codex/bin",
        f"{vendor}/codex-path": "codex/codex-path",
        f"{vendor}/codex-resources/bwrap": "codex/codex-resources/bwrap",
        f"{vendor}/codex-package.json": "codex/codex-package.json",
    }


def _claude_code(_architecture: str) -> dict[str, str]:
    return {"package/claude": "claude-code/claude"}


def _opencode(_architecture: str) -> dict[str, str]:
    return {"package/bin/opencode": "opencode/opencode"}


def _gemini(_architecture: str) -> dict[str, str]:
    return {"package/package.json": "gemini/package.json", "package/bundle": "gemini/bundle"}


def _prepare_hermes(pins: Pins, context: Path, _work: Path) -> None:
    install(pins.hermes, pins.architecture, context / "site-packages")
    # Scripts for the builder's Python; the Containerfile writes the one that is needed.
    shutil.rmtree(context / "site-packages" / "bin")


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="base",
            pinned=lambda pins: pins.base,
            prepare=_prepare_base,
            modules=("apt", "containerfile", "node", "recipes", "rootfs"),
            base="",
        ),
        _from_npm("codex", _codex),
        _from_npm("claude-code", _claude_code),
        _from_npm("opencode", _opencode),
        _from_npm("gemini", _gemini),
        Recipe(
            name="hermes",
            pinned=lambda pins: pins.hermes,
            prepare=_prepare_hermes,
            modules=("containerfile", "recipes", "wheels"),
        ),
    )
}
