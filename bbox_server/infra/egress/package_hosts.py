# SPDX-License-Identifier: Apache-2.0
"""Where the user's package managers fetch from: asked of themselves, at run time."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.egress.group import HostGroup, PackageHosts
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError
from bbox_server.infra.egress.package_urls import (
    apt_urls,
    cargo_default_url,
    cargo_urls,
    combined,
    configured,
    default,
    go_urls,
    npm_urls,
    pip_urls,
    uv_urls,
)
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.programs import PLAIN_ENVIRONMENT

_OUTPUT_BYTES: Final = 1 << 20
_PROGRAM_BYTES: Final = 256 << 20

# pip's compiled-in index and file host; where pip isn't installed, those of the wheel that venv
# would install it from.
# No directory, and none can be made there: npm, as root, made the one that was missing.
NO_HOME: Final = "/dev/null"

_PIP_DEFAULTS: Final = """
try:
    from pip._internal.models.index import PyPI
except ImportError:
    import ensurepip, glob, os, sys, sysconfig
    places = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")]
    places.append(sysconfig.get_config_var("WHEEL_PKG_DIR") or places[0])
    sys.path += [wheel for place in places for wheel in glob.glob(place + "/pip-*.whl")]
    from pip._internal.models.index import PyPI
print(PyPI.url, "https://" + PyPI.file_storage_domain)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPackageHosts(PackageHosts):
    """Asks pip, uv, npm, go, cargo and apt; a workspace's own files are never looked at.

    Attributes:
        environment: The user's, for PATH, HOME and the clients' own variables.
        apt: The directory with apt's sources.
        deadline_s: For each client; all are asked at once.
    """

    environment: Mapping[str, str]
    apt: Path = Path("/etc/apt")
    deadline_s: float = 5.0

    @override
    async def groups(self) -> tuple[HostGroup, ...]:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._group(*client)) for client in self._clients()]
        return tuple(found for task in asked if (found := task.result()) is not None)

    def _clients(self) -> "tuple[_Client, ...]":
        return (
            ("python", "pip and uv install packages.", self._python),
            ("node", "npm installs packages.", self._node),
            ("go", "go downloads modules and checks their sums.", self._go),
            ("rust", "cargo downloads crates.", self._rust),
            ("system", "apt installs packages.", self._apt),
        )

    async def _group(
        self, name: str, reason: str, ask: Callable[[], Awaitable[tuple[HostRule, ...]]]
    ) -> HostGroup | None:
        rules: tuple[HostRule, ...] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.deadline_s):
                rules = await ask()
        return HostGroup(name=name, reason=reason, rules=rules) if rules else None

    async def _python(self) -> tuple[HostRule, ...]:
        listing = await self._ask("pip", "config", "list")
        built_in = await self._ask("python3", "-I", "-c", _PIP_DEFAULTS)
        if not built_in:
            built_in = await self._ask(sys.executable, "-I", "-c", _PIP_DEFAULTS)
        variables = ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX")
        chosen = [self.environment.get(variable, "").split() for variable in variables]
        # UV_INDEX may give each a name before it: NAME=URL.
        urls = [
            word.rpartition("=")[2] if "=http" in word else word
            for words in chosen
            for word in words
        ]
        urls += [*pip_urls(listing), *uv_urls(self._config("uv/uv.toml"))]
        return combined(default(built_in.split()), configured(urls))

    async def _node(self) -> tuple[HostRule, ...]:
        listing = await self._ask("npm", "config", "list", "--json")
        plain = {**PLAIN_ENVIRONMENT, "PATH": self._path(), "HOME": NO_HOME}
        no_files = (f"--userconfig={NO_HOME}/user", f"--globalconfig={NO_HOME}/global")
        words = ("npm", "config", "get", "registry", *no_files)
        built_in = await self._ask(*words, environment=plain)
        return combined(default(built_in.split()), configured(npm_urls(listing)))

    async def _go(self) -> tuple[HostRule, ...]:
        chosen = await self._ask("go", "env", "GOPROXY", "GOSUMDB")
        plain = {**PLAIN_ENVIRONMENT, "PATH": self._path(), "GOENV": "off", "HOME": NO_HOME}
        built_in = await self._ask("go", "env", "GOPROXY", "GOSUMDB", environment=plain)
        return combined(default(go_urls(built_in)), configured(go_urls(chosen)))

    async def _rust(self) -> tuple[HostRule, ...]:
        home = self.environment.get("CARGO_HOME") or self._home(".cargo")
        config = _text(Path(home) / "config.toml") or _text(Path(home) / "config")
        through_rustup = (await self._ask("rustup", "which", "cargo")).strip()
        program = through_rustup or shutil.which("cargo", path=self._path())
        built_in = await asyncio.to_thread(_compiled_in, program) if program else ""
        return combined(default([built_in]), configured(cargo_urls(config)))

    async def _apt(self) -> tuple[HostRule, ...]:
        parts = self.apt / "sources.list.d"
        files = [self.apt / "sources.list", *parts.glob("*.list"), *parts.glob("*.sources")]
        return configured(apt_urls("\n".join(map(_text, files))))

    async def _ask(self, *argv: str, environment: Mapping[str, str] | None = None) -> str:
        """The output of a client; empty where it is missing or fails."""
        # Not in the workspace: clients read settings from where they run.
        command = Command(argv=argv, env=environment or self.environment, directory="/")
        try:
            completed = await run(command, limit_bytes=_OUTPUT_BYTES)
        except BboxError:
            return ""
        return "" if completed.exit_code else completed.output.decode("utf-8", "replace")

    def _config(self, name: str) -> str:
        config_home = self.environment.get("XDG_CONFIG_HOME") or self._home(".config")
        return _text(Path(config_home) / name)

    def _home(self, name: str) -> str:
        return f"{self.environment.get('HOME', NO_HOME)}/{name}"

    def _path(self) -> str:
        return self.environment.get("PATH", PLAIN_ENVIRONMENT["PATH"])


_Client = tuple[str, str, Callable[[], Awaitable[tuple[HostRule, ...]]]]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _compiled_in(program: str) -> str:
    try:
        with Path(program).open("rb") as file:
            return cargo_default_url(file.read(_PROGRAM_BYTES))
    except OSError:
        return ""
