# SPDX-License-Identifier: Apache-2.0
"""`bbox auth`, and the options of a run that speak of logins and modes."""

import io
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pytest
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.entrypoints.cli.arguments import parse
from bbox_server.entrypoints.cli.auth_command import check_login_options, forget, show
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.style import Style
from tests.fakes.login import MemoryLoginStore

AUTH = PurePosixPath(".codex/auth.json")


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@dataclass
class House:
    store: MemoryLoginStore = field(
        default_factory=lambda: MemoryLoginStore(
            saved={"codex": {AUTH: b"{}"}, "gemini": {AUTH: b"123"}}
        )
    )

    def run(self, *words: str, typed: str | None = None) -> tuple[int, str]:
        out = io.StringIO() if typed is None else Terminal()
        console = Console(
            out=out,
            error=io.StringIO(),
            input=io.StringIO() if typed is None else Terminal(typed),
            style=Style(colour=False),
        )
        values = parse(["auth", *words], lambda: "bbox").values
        act = show if values.action == "list" else forget
        return act(values, self.store, console), out.getvalue()


def test_a_list_is_a_name_a_line() -> None:
    assert House().run("list") == (0, "codex\ngemini\n")


def test_a_list_can_tell_files_and_be_of_one_agent() -> None:
    _, out = House().run("list", "gemini", "--verbose")
    first, second = out.splitlines()
    assert first == "gemini"
    assert second.startswith("  .codex/auth.json  3 bytes  ")


def test_a_list_for_machines_names_every_file() -> None:
    _, out = House().run("list", "--json")
    agents = json.loads(out)["agents"]
    assert agents[0] == {
        "agent": "codex",
        "files": [{"path": ".codex/auth.json", "size": 2, "modifiedAt": 0}],
    }


def test_nothing_saved_is_said() -> None:
    house = House(store=MemoryLoginStore())
    assert house.run("list") == (0, "No saved credentials\n")
    assert house.run("clear") == (0, "No saved credentials\n")
    assert house.run("clear", "codex") == (0, "Credentials cleared for codex\n")  # CLI-31
    assert json.loads(house.run("list", "--json")[1]) == {"agents": []}


def test_one_agent_is_cleared_unasked() -> None:
    house = House()
    assert house.run("clear", "codex") == (0, "Credentials cleared for codex\n")
    assert house.store.saved.keys() == {"gemini"}


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("\n", 2), ("", 2), ("no\n", 2)])
def test_all_are_cleared_after_a_question(answer: str, left: int) -> None:
    house = House()
    house.run("clear", typed=answer)
    assert len(house.store.saved) == left


def test_where_nobody_can_be_asked_all_are_cleared_by_force_alone() -> None:
    house = House()
    with pytest.raises(BboxError, match="codex, gemini") as raised:
        house.run("clear", "--json")
    assert raised.value.code is ErrorCode.CLI_USAGE
    assert json.loads(house.run("clear", "--json", "--force")[1]) == {
        "cleared": ["codex", "gemini"]
    }
    assert house.store.saved == {}


@pytest.mark.parametrize("name", ["../x", "a b"])
def test_a_name_of_no_agent_is_refused(name: str) -> None:
    with pytest.raises(BboxError) as raised:
        House().run("clear", name)
    assert raised.value.code is ErrorCode.AGENT_INVALID_NAME


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["run", "--image", "x", "--seed-credentials"], "--seed-credentials needs an agent"),
        (["run", "--image", "x", "--login"], "--login needs an agent"),
        (["codex", "--login", "--no-save-credentials"], "contradict each other"),
        (["codex", "--seed-credentials", "--no-save-credentials"], "contradict each other"),
    ],
)
def test_options_that_can_not_be_meant_are_refused(words: list[str], cause: str) -> None:
    with pytest.raises(BboxError, match=cause) as raised:
        check_login_options(parse(words, lambda: "bbox").values)
    assert raised.value.code is ErrorCode.CLI_USAGE


def test_options_that_can_be_meant_are_not() -> None:
    values = parse(["codex", "--seed-credentials", "--login"], lambda: "bbox").values
    check_login_options(values)
    assert (values.save_login, values.seed_login, values.log_in) == (True, True, True)
