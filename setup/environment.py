# SPDX-License-Identifier: Apache-2.0
"""uv in a virtual environment of its own, and the project's `.venv` from requirements.lock."""

import os
import shutil
from pathlib import Path
from typing import Final

from setup.command import SetupError, output, run
from setup.stamp import digest, read_stamp, write_stamp

UV_HOME: Final = Path(".cache/uv")
UV: Final = UV_HOME / "bin/uv"
VENV: Final = Path(".venv")
UV_LOCK: Final = Path("setup/requirements.lock")
LOCK: Final = Path("requirements.lock")
_UNREACHABLE: Final = (
    "Check the network, and the index that pip is configured for: `pip config list`.\n"
    "uv reads UV_DEFAULT_INDEX; it is set from pip's index-url when that is configured."
)


def install_environment(*, python: Path) -> None:
    """Bring `.venv` up to the lock. Nothing is started when its stamp says that it is.

    Raises:
        SetupError: a package index is unreachable or Python is unusable.
    """
    place = {"root": str(Path.cwd()), "python": str(python)}
    _install_uv(python, place | {"lock": digest(UV_LOCK)})
    wanted = place | {"lock": digest(LOCK, Path("pyproject.toml"))}
    present = read_stamp(VENV)
    if present == wanted:
        return
    env = uv_environment()
    if {**present, "lock": ""} != {**wanted, "lock": ""}:
        run(
            "make .venv",
            (UV, "venv", "--clear", "--quiet", "--python", python, VENV),
            hint=f"Is {python} a working Python?",
            env=env,
        )
        write_stamp(VENV, {**wanted, "lock": ""})
    here = ("--quiet", "--python", VENV / "bin/python")
    run(
        "install what requirements.lock pins into .venv",
        (UV, "pip", "sync", *here, "--require-hashes", LOCK),
        hint=_UNREACHABLE,
        env=env,
    )
    run(
        "install the project into .venv",
        (UV, "pip", "install", *here, "--no-deps", "--no-build-isolation", "--editable", "."),
        hint="See the lines above.",
        env=env,
    )
    write_stamp(VENV, wanted)


def system_python() -> Path:
    """The Python that `.venv` is made of.

    The distribution's first: the network relay runs as another uid, which can't execute a Python
    in somebody's home.
    """
    for name in ("/usr/bin/python3", "python3"):
        found = shutil.which(name)
        probe = "import sys; print(sys.version_info >= (3, 11))"
        if found and output([found, "-c", probe]) == "True":
            return Path(found)
    raise SetupError("python3 is older than 3.11. On Debian 12: apt-get install python3")


def uv_environment() -> dict[str, str]:
    """The environment plus pip's index, which uv does not read, and no Python of uv's own."""
    env = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    index = env.get("PIP_INDEX_URL") or output(
        [UV_HOME / "bin/python", "-m", "pip", "config", "get", "global.index-url"]
    )
    if index:
        env.setdefault("UV_DEFAULT_INDEX", index)
    return env


def _install_uv(python: Path, wanted: dict[str, str]) -> None:
    if read_stamp(UV_HOME) == wanted:
        return
    run(
        "make a virtual environment for uv",
        (python, "-m", "venv", "--clear", UV_HOME),
        hint="On Debian: apt-get install python3-venv",
    )
    pip = (UV_HOME / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input")
    run(
        "install uv with pip",
        (*pip, "install", "--quiet", "--require-hashes", "-r", UV_LOCK),
        hint=_UNREACHABLE,
    )
    write_stamp(UV_HOME, wanted)
