# SPDX-License-Identifier: Apache-2.0
"""Every built-in agent for real: its program, in the microVM, behind the credential proxy.

Only the model is a stand-in. Each agent writes two files with its own tool, runs a command and
ends; the changes are reviewed and flushed. In one boot from a script, in another on a terminal.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from bbox_server.infra.agents.registry import BuiltinAgents
from demo.mock_model import MockModel
from demo.script import Script, Turn, Written
from tests.vm.bbox_command import Bbox, Terminal, make_bbox

pytestmark = [pytest.mark.vm, pytest.mark.e2e, pytest.mark.agents, pytest.mark.timeout(480)]

KEY: Final = "stand-in-for-a-key"
PROMPT: Final = "please make it"
FINAL: Final = "All of it is done."
SCRIPT: Final = Script(
    turns=(
        Turn(write=Written(path="/workspace/first.txt", text="one\n")),
        Turn(write=Written(path="/workspace/second.txt", text="two\n")),
        Turn(run="cat first.txt second.txt >both.txt"),
    ),
    final=FINAL,
)
# What the programs take in an emulated guest on a machine with other work.
DEADLINE_S: Final = 400
TABLE: Final = Path(__file__).parents[2] / "build" / "agents.md"


@dataclass(frozen=True, kw_only=True)
class Case:
    """How one agent is used.

    Attributes:
        key: The variable with its provider's key.
        base: The variable with the provider's base URL, and what stands behind the host in it.
        script: Arguments for one task without a terminal.
        terminal: Arguments for a terminal; then the prompt is typed, or it is among them.
        ready: What the agent shows when it can be typed to; empty where nothing is typed.
    """

    name: str
    key: str
    base: tuple[str, str]
    script: tuple[str, ...]
    terminal: tuple[str, ...]
    ready: str = ""


CASES: Final = (
    Case(
        name="claude-code",
        key="ANTHROPIC_API_KEY",
        base=("ANTHROPIC_BASE_URL", ""),
        script=("-p", PROMPT),
        terminal=(PROMPT,),
    ),
    Case(
        name="codex",
        key="OPENAI_API_KEY",
        base=("OPENAI_BASE_URL", "/v1"),
        script=("exec", "--skip-git-repo-check", PROMPT),
        terminal=(PROMPT,),
    ),
    Case(
        name="gemini",
        key="GEMINI_API_KEY",
        base=("GOOGLE_GEMINI_BASE_URL", ""),
        script=("-p", PROMPT),
        terminal=("-i", PROMPT),
    ),
    Case(
        name="hermes",
        key="OPENAI_API_KEY",
        base=("OPENAI_BASE_URL", "/v1"),
        script=("-z", PROMPT),
        terminal=(),
        ready="❯",  # noqa: RUF001 (what Hermes shows)
    ),
    Case(
        name="opencode",
        key="ANTHROPIC_API_KEY",
        base=("ANTHROPIC_BASE_URL", ""),
        script=("run", PROMPT),
        terminal=("--prompt", PROMPT),
    ),
)
BY_NAME: Final = {case.name: case for case in CASES}


@dataclass(kw_only=True)
class Times:
    """The table that `make e2e-agents` writes."""

    rows: list[str] = field(default_factory=list)

    def add(self, agent: str, mode: str, total_s: float, first_s: float) -> None:
        self.rows.append(f"| {agent} | {mode} | {first_s:.0f} s | {total_s:.0f} s |")

    def text(self) -> str:
        head = "| agent | mode | first request to the model | whole run |\n|---|---|---|---|\n"
        return head + "".join(f"{row}\n" for row in self.rows)


@pytest.fixture(scope="module")
def times(request: pytest.FixtureRequest) -> Iterator[Times]:
    found = Times()
    yield found
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(found.text())
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write(f"\n{found.text()}")


@pytest.fixture
def model() -> Iterator[MockModel]:
    with MockModel(SCRIPT, key=KEY) as model:
        yield model


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def bbox(sandbox_dir: Path, model: MockModel, case: Case) -> Bbox:
    name, path = case.base
    return make_bbox(sandbox_dir, {case.key: KEY, name: f"{model.origin}{path}"})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "first.txt").write_text("zero\n")
    return directory


def test_every_built_in_agent_is_among_them() -> None:
    assert [agent.name for agent in BuiltinAgents().list()] == [case.name for case in CASES]


def test_an_agent_works_from_a_script(
    case: Case, bbox: Bbox, project: Path, model: MockModel, times: Times
) -> None:
    began = time.monotonic()
    ran = bbox.run(case.name, "--", *case.script, cwd=project, timeout_s=DEADLINE_S)
    total_s = time.monotonic() - began

    assert ran.code == 0, ran.error[-3000:] + ran.out[-3000:]
    assert FINAL in ran.out
    assert "works without asking" in ran.error
    assert (project / "first.txt").read_text() == "zero\n"  # reviewed first
    assert model.requests
    assert all(one.is_authorized for one in model.requests)  # the proxy put the key in
    flush(bbox, project)
    times.add(case.name, "script", total_s, model.first_at - began)


def test_an_agent_on_a_terminal_asks_nothing(
    case: Case, bbox: Bbox, project: Path, model: MockModel, times: Times
) -> None:
    began = time.monotonic()
    with bbox.terminal(case.name, "--no-review", "--", *case.terminal, cwd=project) as terminal:
        if case.ready:
            terminal.expect("works without asking")
            terminal.expect(case.ready, DEADLINE_S)
            terminal.send(f"{PROMPT}\r")
        wait_for_the_end(terminal, model)
        total_s = time.monotonic() - began
        assert bbox.run("stop", cwd=project).code == 0
        terminal.wait()
    flush(bbox, project)
    times.add(case.name, "terminal", total_s, model.first_at - began)


def wait_for_the_end(terminal: Terminal, model: MockModel) -> None:
    """All that is shown is read, as a terminal does; nothing is typed."""
    deadline = time.monotonic() + DEADLINE_S
    while not any(len(one.outputs) == len(SCRIPT.turns) for one in model.requests):
        assert time.monotonic() < deadline, terminal.screen[-3000:]
        terminal.shows(FINAL, 1)


def flush(bbox: Bbox, project: Path) -> None:
    """Review from a script, and see what came."""
    done = bbox.run("review", "--accept-all", "--flush", cwd=project)
    assert done.code == 0, done.error
    assert (project / "first.txt").read_text() == "one\n"
    assert (project / "second.txt").read_text() == "two\n"
    assert (project / "both.txt").read_text() == "one\ntwo\n"
