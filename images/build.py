# SPDX-License-Identifier: Apache-2.0
"""`python -m images.build NAME|all|push|pins`: builds images and puts them into the store.

What is built already, of the same ingredients, is not built again.
"""

import argparse
import asyncio
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.image import parse_reference
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.agents.registry import IMAGE_REGISTRY
from bbox_server.infra.host.directories import resolve_directories
from bbox_server.infra.images.squashfs import SquashfsWriter
from bbox_server.infra.images.store import SquashfsImageStore, host_architecture
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from images.containerfile import Builder, builder
from images.node import node_digest
from images.pins import BuildError, Pins, read_pins
from images.recipes import RECIPES, Recipe

HERE: Final = Path(__file__).parent
WORK: Final = HERE.parent / "build" / "images"
NAMES: Final = tuple(RECIPES)


def build(name: str, pins: Pins, tool: Builder) -> Path:
    """One image with what it is built from; returns its OCI layout."""
    recipe = RECIPES[name]
    key = _ingredients(recipe, pins, build(recipe.base, pins, tool) if recipe.base else None)
    layout, stamp = WORK / name, WORK / f"{name}.key"
    if layout.is_dir() and stamp.is_file() and stamp.read_text() == key:
        return layout
    context = WORK / f"{name}.context"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir()
    try:
        with _step(f"{name}, what it is made of"):
            recipe.prepare(pins, context, WORK)
        with _step(f"{name}, by buildah"):
            layout = tool.build(
                name,
                HERE / name / "Containerfile",
                context,
                base=recipe.base,
                timestamp=pins.source_date_epoch,
            )
    finally:
        shutil.rmtree(context, ignore_errors=True)
    stamp.write_text(key)
    return layout


def _ingredients(recipe: Recipe, pins: Pins, base: Path | None) -> str:
    pinned = (pins.source_date_epoch, recipe.pinned(pins), pins.architecture)
    total = hashlib.sha256(repr(pinned).encode())
    sources = [HERE / f"{module}.py" for module in recipe.modules]
    sources.append(HERE / recipe.name / "Containerfile")
    for path in (*sources, *([base / "index.json"] if base else [])):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def store(name: str, layout: Path) -> None:
    """Make the root filesystem, named as the agents name it."""
    user = None
    if os.geteuid() == 0:
        user = resolve_sandbox_user(uid=0, gid=0, environment=os.environ)
    images = SquashfsImageStore(root=_cache() / "images", writer=SquashfsWriter(user=user))
    tag = parse_reference(f"{IMAGE_REGISTRY}/{name}:latest")
    with _step(f"{name}, root filesystem"):
        root = asyncio.run(images.import_layout(HostPath(str(layout)), tag))
    size_mib = Path(root.path).stat().st_size / 2**20
    _say(f"{tag} is {root.path} ({size_mib:.0f} MiB)")


def _cache() -> Path:
    """CACHE as bbox itself finds it; the sandbox uid must get through root's."""
    uid = os.geteuid()
    cache = resolve_directories(os.environ, uid=uid).cache
    cache.mkdir(parents=True, exist_ok=True, mode=0o711 if uid == 0 else 0o700)
    return cache


@contextmanager
def _step(what: str) -> Iterator[None]:
    begin = time.monotonic()
    _say(f"{what} …")
    yield
    _say(f"{what}: {time.monotonic() - begin:.1f} s")


def _say(text: str) -> None:
    print(f"images: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m images.build", description=__doc__)
    parser.add_argument("what", choices=(*NAMES, "all", "push", "pins"))
    parser.add_argument("registry", nargs="?", help="for push: where to, such as HOST/PROJECT")
    arguments = parser.parse_args()
    try:
        _run(arguments.what, arguments.registry)
    except (BuildError, BboxError) as error:
        _say(str(error))
        return 1
    return 0


def _run(what: str, registry: str | None) -> None:
    if what == "pins":
        print(f"node sha256 {host_architecture()}: {node_digest()}")
        return
    if what == "push" and registry is None:
        raise BuildError("Say where to: make image-push REGISTRY=HOST/PROJECT.")
    pins = read_pins(host_architecture())
    with builder(WORK) as tool:
        for name in NAMES if what in {"all", "push"} else (what,):
            layout = build(name, pins, tool)
            if what == "push":
                with _step(f"{name}, to {registry}"):
                    tool.push(name, f"{registry}/{name}:latest")
            else:
                store(name, layout)


if __name__ == "__main__":
    sys.exit(main())
