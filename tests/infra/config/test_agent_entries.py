# SPDX-License-Identifier: Apache-2.0
"""Agents' entries in the text of a config."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.agent import AgentName
from bbox_server.domain.config.entries import AgentEntry
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.agent_entries import ConfigAgentEntries
from bbox_server.infra.config.agent_text import NoPlaceError, with_agent

ACME = AgentName("acme")
ENTRY: AgentEntry = {
    "image": "x:1",
    "command": ["acme"],
    "egress_hosts": {"standard": [{"name": "a.example.com"}]},
}
LINES = """\
  acme:
    image: x:1
    command:
    - acme
    egress_hosts:
      standard:
      - name: a.example.com
"""
CONFIG = """\
# mine
defaults:
  cpus: 2 # enough

agents:
  # what codex gets
  codex:
    memory: 8g
  other:
    image: y:1
    command: [other] # as it is

# the end
review:
  enabled: true
"""


def entries(tmp_path: Path, text: str = "") -> ConfigAgentEntries:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return ConfigAgentEntries(path=HostPath(str(path)))


@pytest.mark.parametrize("text", ["", "# only this\n", "review: {enabled: true}\n", "agents:\n"])
def test_a_config_without_agents_gets_its_first(text: str) -> None:
    head = "" if text == "agents:\n" else text
    assert with_agent(text, "acme", ENTRY) == f"{head}agents:\n{LINES}"


def test_everything_else_stays_as_it_is() -> None:
    changed = with_agent(CONFIG, "acme", ENTRY)
    before, after = CONFIG.split("  codex:\n")
    assert changed == f"{before}{LINES}  codex:\n{after}"


@pytest.mark.parametrize("name", ["codex", "other"])
def test_an_entry_is_replaced_and_its_neighbours_are_not(name: str) -> None:
    changed = with_agent(CONFIG, name, ENTRY)
    found = yaml.safe_load(changed)
    assert found["agents"].keys() == {"codex", "other"}
    assert found["agents"][name] == ENTRY
    assert [part for part in ("# mine", "# enough", "# the end") if part not in changed] == []


@pytest.mark.parametrize("text", ["agents: {codex: {memory: 8g}}\n", "agents: []\n", "- a\n"])
def test_a_text_without_a_place_is_left_alone(text: str) -> None:
    with pytest.raises(NoPlaceError):
        with_agent(text, "acme", ENTRY)


KEYS = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
VALUES = st.one_of(st.integers(), st.booleans(), KEYS, st.lists(KEYS, max_size=3))


@given(
    agents=st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4),
    rest=st.dictionaries(KEYS.filter(lambda key: key != "agents"), VALUES, max_size=3),
    name=KEYS,
    flow=st.sampled_from([None, False]),
)
def test_whatever_was_there_only_the_entry_is_other(
    agents: dict[str, object], rest: dict[str, object], name: str, *, flow: bool | None
) -> None:
    before = {**rest, "agents": agents}
    text = yaml.safe_dump(before, default_flow_style=flow)
    try:
        changed = with_agent(text, name, ENTRY)
    except NoPlaceError:
        return
    assert yaml.safe_load(changed) == {**before, "agents": {**agents, name: ENTRY}}


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    made = entries(tmp_path, CONFIG)
    (tmp_path / "config.yaml").chmod(0o644)
    made.put(ACME, ENTRY, replace=False)
    assert (tmp_path / "config.yaml").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "config.yaml.lock"]


def test_a_wrong_entry_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(BboxError) as raised:
        entries(tmp_path, CONFIG).put(ACME, {**ENTRY, "memry": "4g"}, replace=False)
    assert raised.value.code is ErrorCode.AGENT_INVALID
    assert "memry" in raised.value.cause
    assert "memory" in raised.value.cause  # what was meant
    assert (tmp_path / "config.yaml").read_text() == CONFIG


def test_a_wrong_config_is_not_written_to(tmp_path: Path) -> None:
    text = "agents: [\n"
    with pytest.raises(BboxError) as raised:
        entries(tmp_path, text).put(ACME, ENTRY, replace=False)
    assert raised.value.code is ErrorCode.CONFIG_INVALID
    assert (tmp_path / "config.yaml").read_text() == text


def test_every_problem_of_a_manifest_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("image: x:1\nname: acme\ncommand: [acme]\nmemry: 4g\ncpus: many\n")
    with pytest.raises(BboxError) as raised:
        entries(tmp_path).read(HostPath(str(path)), None)
    said = raised.value.cause
    assert f"{path}:4:1: memry" in said
    assert f"{path}:5:1: cpus" in said
    assert "egress_hosts" in said


@pytest.mark.parametrize(
    "text", ["", "- a\n", "image: x:1\n", "name: [a]\n", "a: [\n", "name: 'a b'\n"]
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    with pytest.raises(BboxError) as raised:
        entries(tmp_path).read(HostPath(str(path)), None)
    assert raised.value.code in {ErrorCode.AGENT_INVALID, ErrorCode.AGENT_INVALID_NAME}
