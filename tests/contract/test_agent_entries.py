# SPDX-License-Identifier: Apache-2.0
"""What every place for agents' entries does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bbox_server.domain.agent import AgentName
from bbox_server.domain.config.entries import AgentEntries, AgentEntry
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.agent_entries import ConfigAgentEntries
from tests.fakes.agent_entries import MemoryAgentEntries

ACME = AgentName("acme")
ENTRY: AgentEntry = {
    "image": "ghcr.io/acme/agent:1",
    "command": ["acme", "--yes"],
    "egress_hosts": {"standard": [{"name": "api.example.com", "ports": [443]}]},
}
OTHER: AgentEntry = {**ENTRY, "image": "ghcr.io/acme/agent:2"}


@dataclass
class Place:
    """Entries, and a way to make a file that can be read."""

    entries: AgentEntries
    make: Callable[[str, AgentEntry], HostPath]


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        fake = MemoryAgentEntries()

        def remember(name: str, entry: AgentEntry) -> HostPath:
            fake.files[HostPath("/agent.yaml")] = {"name": name, **entry}
            return HostPath("/agent.yaml")

        return Place(fake, remember)

    def write(name: str, entry: AgentEntry) -> HostPath:
        path = tmp_path / "agent.yaml"
        path.write_text(yaml.safe_dump({"name": name, **entry}))
        return HostPath(str(path))

    return Place(ConfigAgentEntries(path=HostPath(str(tmp_path / "c/config.yaml"))), write)


def test_what_is_put_is_there(place: Place) -> None:
    assert place.entries.get(ACME) is None
    assert not place.entries.put(ACME, ENTRY, replace=False).replaced
    assert place.entries.get(ACME) == ENTRY


def test_an_entry_is_replaced_only_when_that_is_said(place: Place) -> None:
    place.entries.put(ACME, ENTRY, replace=False)
    with pytest.raises(BboxError) as raised:
        place.entries.put(ACME, OTHER, replace=False)
    assert raised.value.code is ErrorCode.AGENT_EXISTS
    assert place.entries.get(ACME) == ENTRY
    assert place.entries.put(ACME, OTHER, replace=True).replaced
    assert place.entries.get(ACME) == OTHER


def test_nothing_is_written_that_could_not_run(place: Place) -> None:
    with pytest.raises(BboxError) as raised:
        place.entries.put(ACME, {"command": ["acme"]}, replace=False)
    assert raised.value.code is ErrorCode.AGENT_INVALID
    assert "image" in raised.value.cause
    assert place.entries.get(ACME) is None


def test_a_file_with_an_agent_is_read(place: Place) -> None:
    path = place.make("acme", ENTRY)
    assert place.entries.read(path, None).name == "acme"
    other = place.entries.read(path, AgentName("other"))
    assert (other.name, other.entry) == ("other", ENTRY)


def test_a_file_that_is_not_there_is_told(place: Place) -> None:
    with pytest.raises(BboxError) as raised:
        place.entries.read(HostPath("/no/such.yaml"), None)
    assert raised.value.code is ErrorCode.AGENT_INVALID


def test_texts_are_made_for_people(place: Place) -> None:
    assert "name: acme" in place.entries.text(ACME, ENTRY)
    assert "acme" in place.entries.starter(ACME)
