# SPDX-License-Identifier: Apache-2.0
"""The packed extension in VS Code itself, with a real agent in a real microVM."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from bbox_server.infra.process.programs import SYSTEM_PATH
from demo.__main__ import KEY, make_project
from demo.mock_model import MockModel
from demo.script import load_script
from tests.e2e.code_server import ROOT, check_scenario, code_server
from tests.vm.bbox_command import CODEX_IMAGE, Bbox, make_bbox
from tests.vm.session_processes import command_line, descendants, host_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# 1.1 MB, twice: more than the window of what is not acknowledged, less than what a session keeps.
LINES = 80_000
COUNT_TWICE = (
    f'count() {{ seq -f "line %07.0f" "$1" "$2"; }}; count 1 {LINES}; read -r answer; '
    f'count {LINES + 1} {2 * LINES}; read -r answer; echo "it said $answer"'
)
HOSTS = {"standard": [{"name": "example.org", "ports": [443]}]}
COUNTER = {
    "image": CODEX_IMAGE,
    "command": [
        *("bash", "-c"),
        COUNT_TWICE,
    ],
    "egress_hosts": HOSTS,
}
ASK = """
for name in first second third; do curl -sS "https://$name.example.test"; echo "asked $name"; done
read -r answer
"""
ASKER = {"image": CODEX_IMAGE, "command": ["bash", "-c", ASK], "egress_hosts": HOSTS}
WRITE = r"""
sed -i 's/What was spent/Where it went/; s/in totals:$/in sorted(totals):/' src/tally/report.py
sed -i 's/^ZERO = .*/ZERO = Money(0)/' src/tally/money.py
rm src/tally/legacy_import.py
echo 'Made in a microVM.' >NOTES.md
mkdir -p .vscode
echo '{"version": "2.0.0"}' >.vscode/tasks.json
echo all is written
read -r answer
"""
WRITER = {"image": CODEX_IMAGE, "command": ["bash", "-c", WRITE], "egress_hosts": HOSTS}
EXTENSION_HOST = b"--type=extensionHost"
PROMPT = "Cents get lost in tally. Keep amounts exact."


@pytest.fixture
def model() -> Iterator[MockModel]:
    script = load_script(ROOT / "demo/scripts/demo.json")
    # The second change waits until the first one is decided, and the window was reloaded.
    with MockModel(script, key=KEY, pace_s=0.1) as served:
        served.hold(2)
        yield served


@pytest.fixture
def bbox(sandbox_dir: Path, model: MockModel) -> Iterator[Bbox]:
    made = make_bbox(sandbox_dir, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url})
    yield made
    # A session outlives its editor.
    for session in made.sessions(sandbox_dir):
        made.run("stop", session["id"], cwd=sandbox_dir)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "tally"
    make_project(directory)
    return directory


@pytest.fixture
def shots(tmp_path: Path) -> str:
    """Where screenshots go: with the test's files, or where BBOX_SHOTS says."""
    kept = Path(os.environ.get("BBOX_SHOTS", tmp_path / "shots"))
    kept.mkdir(exist_ok=True)
    return str(kept)


def test_an_agents_work_is_reviewed_in_diffs_and_applied(
    bbox: Bbox, model: MockModel, project: Path, shots: str
) -> None:
    with code_server(bbox.home, bbox.env) as url:
        places = {"URL": f"{url}/?folder={project}", "SHOTS": shots, "PROMPT": PROMPT}
        check_scenario(
            "review", places, timeout_s=800, on_step={"the agent may go on": model.release}
        )

    money = (project / "src/tally/money.py").read_text()
    assert "amount: Decimal" in money  # the hunk that was accepted
    assert "Money(float(plain))" in money  # the hunk that was rejected
    assert 'f"{money.amount:.2f}"' in money  # the hunk that was left open
    assert "test_no_cent_is_lost" in (project / "tests/test_money.py").read_text()
    changed = subprocess.run(
        ["git", "status", "--short"], cwd=project, capture_output=True, text=True, check=True
    )
    assert changed.stdout.split("\n")[:-1] == [" M src/tally/money.py", "?? tests/test_money.py"]


def write_agent(bbox: Bbox, name: str, agent: Mapping[str, object]) -> Path:
    config = bbox.home / "config/broodbox/config.yaml"
    config.parent.mkdir(parents=True, mode=0o700)
    config.write_text(yaml.safe_dump({"agents": {name: dict(agent)}}))
    config.chmod(0o600)
    return config


def read_all(project: Path) -> dict[str, str]:
    files = (path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(project)): path.read_text() for path in files}


def test_every_decision_is_made_in_the_editor(bbox: Bbox, project: Path, shots: str) -> None:
    write_agent(bbox, "writer", WRITER)
    money = project / "src/tally/money.py"
    before: dict[str, str] = {}
    applied: dict[str, str] = {}

    def edit() -> None:
        money.write_text(money.read_text().replace("ZERO = Money(0.0)", "ZERO = Money(0.00)"))
        before.update(read_all(project))

    with code_server(bbox.home, bbox.env) as url:
        places = {"URL": f"{url}/?folder={project}", "SHOTS": shots}
        steps = {
            "the user edits the same line": edit,
            "all is applied": lambda: applied.update(read_all(project)),
        }
        check_scenario("decide", places, timeout_s=600, on_step=steps)

    written = {path: text for path, text in applied.items() if before.get(path) != text}
    assert sorted(written) == ["NOTES.md", "src/tally/money.py", "src/tally/report.py"]
    assert "ZERO = Money(0)\n" in written["src/tally/money.py"]
    report = written["src/tally/report.py"]
    marks = ("Where it went", "in sorted(totals):", "# kept by a person")
    assert [mark for mark in marks if mark not in report] == []
    assert read_all(project) == before


def test_a_name_that_no_rule_allows_waits_for_its_answer(
    bbox: Bbox, project: Path, shots: str
) -> None:
    config = write_agent(bbox, "asker", ASKER)
    rules: list[str] = []

    def read_rules() -> None:
        (session,) = bbox.sessions(project)
        rules.append(bbox.run("network", "rules", session["id"], cwd=project).out)

    with code_server(bbox.home, bbox.env) as url:
        places = {"URL": f"{url}/?folder={project}", "SHOTS": shots}
        check_scenario("network", places, timeout_s=500, on_step={"all is answered": read_rules})

    asked = tuple(f"{name}.example.test" for name in ("first", "second", "third"))
    assert [name in rules[0] for name in asked] == [True, False, True], rules
    assert [name in config.read_text() for name in asked] == [False, False, True]


def kill_extension_host() -> dict[int, bytes]:
    """End it as the kernel does when there is no memory; returns what it had started."""
    (host,) = (pid for pid, words in descendants(os.getpid()).items() if EXTENSION_HOST in words)
    started = descendants(host)
    os.kill(host, signal.SIGKILL)
    return started


def test_no_reload_and_no_crash_amid_much_output_loses_or_doubles_a_line(
    bbox: Bbox, project: Path, shots: str
) -> None:
    write_agent(bbox, "counter", COUNTER)
    with code_server(bbox.home, bbox.env) as url:
        places = {"URL": f"{url}/?folder={project}", "SHOTS": shots, "COUNT": str(LINES)}
        session_hosts: set[int] = set()
        servers: dict[int, bytes] = {}

        def crash() -> None:
            (session,) = bbox.sessions(project)
            session_hosts.add(host_of(session["id"]))
            servers.update(kill_extension_host())

        check_scenario("flood", places, timeout_s=500, on_step={"the extension host dies": crash})
        (session,) = bbox.sessions(project)
        assert {host_of(session["id"])} == session_hosts  # the microVM's owner has not noticed
        assert any(b"bbox-server" in words for words in servers.values())
        assert [pid for pid, words in servers.items() if command_line(pid) == words] == []


def test_a_missing_server_is_told_with_the_way_to_its_setting(
    sandbox_dir: Path, project: Path, shots: str
) -> None:
    missing = str(sandbox_dir / "no-such-server")
    with code_server(sandbox_dir, os.environ, server=missing) as url:
        places = {"URL": f"{url}/?folder={project}", "SHOTS": shots}
        check_scenario("server_missing", places, timeout_s=200)


def test_the_server_that_comes_with_the_extension_is_installed_on_demand(
    sandbox_dir: Path, project: Path, shots: str
) -> None:
    env = {**os.environ, "PATH": SYSTEM_PATH}  # no bbox-server on it
    with code_server(sandbox_dir, env, server="") as url:
        places = {"URL": f"{url}/?folder={project}", "SHOTS": shots}
        check_scenario("server_install", places, timeout_s=400)
