# SPDX-License-Identifier: Apache-2.0
"""The real Codex CLI out of its built image, with the configuration that agents get, no VM."""

import asyncio
import os
import pty
import select
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbox_server.domain.agent import Agent, ProviderAccess
from bbox_server.domain.credential import PlaceholderToken, ProviderId
from bbox_server.domain.image import RootFilesystem
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.agents.registry import BuiltinAgents
from bbox_server.infra.host.directories import resolve_directories
from bbox_server.infra.images.store import SquashfsImageStore
from bbox_server.infra.process.programs import find_program
from demo.mock_model import MockModel
from demo.script import Script, Turn

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PACKAGE = ("bin/codex", "bin/codex-code-mode-host", "codex-path/rg", "codex-package.json")
KEY = "stand-in"
SCRIPT = Script(turns=(Turn(run="echo done >made-by-agent"),), final="The file is there.")


def unpack(root: RootFilesystem, name: str, target: Path) -> None:
    """One file of the package; rdsquashfs 1.2 can't unpack a directory below another."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [find_program("rdsquashfs"), "--cat", f"/opt/codex/{name}", root.path]
    with path.open("wb") as file:
        subprocess.run(words, stdout=file, check=True)
    path.chmod(0o755)


@dataclass(frozen=True)
class Setting:
    """Codex from the image, with a home and a workspace of its own."""

    agent: Agent
    program: Path
    home: Path
    workspace: Path

    def argv(self, *arguments: str) -> list[str]:
        return [str(self.program), *self.agent.argv(arguments)[1:]]

    def prepare(self, url: str) -> dict[str, str]:
        """Write the agent's files; returns its environment."""
        access = {
            ProviderId("openai"): ProviderAccess(base_url=url, placeholder=PlaceholderToken(KEY))
        }
        for file in self.agent.guest_files(access, HostPath(str(self.workspace))):
            path = self.home / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        env = {"HOME": str(self.home), "PATH": os.defpath, "TERM": "xterm-256color"}
        return env | self.agent.environment(access, 4096)

    @property
    def made(self) -> Path:
        return self.workspace / "made-by-agent"


@pytest.fixture(scope="module")
def codex_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = resolve_directories(os.environ, uid=os.geteuid()).cache / "images"
    store = SquashfsImageStore(root=images)
    root = asyncio.run(store.resolve(BuiltinAgents().get("codex").image))
    target = tmp_path_factory.mktemp("codex")
    for name in PACKAGE:
        unpack(root, name, target)
    return target / "bin" / "codex"


@pytest.fixture
def setting(codex_program: Path, tmp_path: Path) -> Setting:
    home, workspace = tmp_path / "home", tmp_path / "workspace"
    for directory in (home, workspace):
        directory.mkdir()
    agent = BuiltinAgents().get("codex")
    return Setting(agent=agent, program=codex_program, home=home, workspace=workspace)


def test_codex_works_unattended(setting: Setting) -> None:
    with MockModel(SCRIPT, key=KEY) as model:
        done = subprocess.run(
            setting.argv("exec", "--skip-git-repo-check", "make it"),
            cwd=setting.workspace,
            env=setting.prepare(model.url),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )

    assert setting.made.read_text() == "done\n"
    assert SCRIPT.final in done.stdout


def test_codex_on_a_terminal_starts_to_work_without_a_question(setting: Setting) -> None:
    with MockModel(SCRIPT, key=KEY) as model:
        shown = run_on_a_terminal(setting, setting.prepare(model.url), "make it")

    assert setting.made.exists(), shown[-3000:]
    assert "rust this folder" not in shown


def test_codex_on_a_terminal_leaves_its_home_small(setting: Setting) -> None:
    with MockModel(SCRIPT, key=KEY) as model:
        run_on_a_terminal(setting, setting.prepare(model.url), "make it")

    used_bytes = sum(path.lstat().st_size for path in setting.home.rglob("*"))
    assert used_bytes < 20 * 1024 * 1024  # its daemon would bring a copy of itself, 370 MB


def run_on_a_terminal(setting: Setting, env: dict[str, str], prompt: str) -> str:
    """Run the TUI until it did what it was told, or for a minute; returns all that it wrote."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (40, 100))
    child = subprocess.Popen(
        [find_program("setsid"), "--ctty", "--wait", *setting.argv(prompt)],
        cwd=setting.workspace,
        env=env,
        stdin=end,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    try:
        return _converse(terminal, setting.made)
    finally:
        os.close(terminal)
        child.terminate()
        child.wait(20)


def _converse(terminal: int, made: Path) -> str:
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not made.exists():
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        chunk = os.read(terminal, 65536)
        shown += chunk
        if b"\x1b[6n" in chunk:  # a terminal tells where its cursor is
            os.write(terminal, b"\x1b[1;1R")
    return shown.decode(errors="replace")
