# SPDX-License-Identifier: Apache-2.0
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.terminal import GuestCommand
from bbox_server.infra.ssh.shell import command_line, environment

WORDS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1
)


@given(WORDS)
def test_every_word_survives_the_guests_shell(words: list[str]) -> None:
    line = command_line(GuestCommand(argv=tuple(words)))
    assert line is not None
    assert shlex.split(line.decode()) == ["exec", *words]


def test_no_words_are_a_login_shell() -> None:
    assert command_line(GuestCommand(argv=())) is None


def test_a_word_that_is_no_utf8_is_sent_as_it_is() -> None:
    assert command_line(GuestCommand(argv=("\udcff",))) == b"exec '\xff'"


def test_a_nul_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="NUL"):
        command_line(GuestCommand(argv=("a\0b",)))


def test_values_go_into_the_environment_and_not_on_the_command_line() -> None:
    command = GuestCommand(argv=("env",), env={"TOKEN": "secret \udcff"}, directory="/somewhere")
    assert environment(command) == {b"TOKEN": b"secret \xff", b"BBOX_CWD": b"/somewhere"}
    assert b"secret" not in (command_line(command) or b"")


def test_a_path_is_named_as_the_guest_wants_it() -> None:
    assert environment(GuestCommand(argv=("x",), env={"PATH": "/a"}))[b"BBOX_PATH"] == b"/a"


def test_what_the_login_sets_is_set_again_by_the_command() -> None:
    command = GuestCommand(argv=("x",), env={"HOME": "/my home", "USER": "me"})
    assert command_line(command) == b"export HOME='/my home'; export USER=me; exec x"
    assert set(environment(command)) == {b"BBOX_CWD"}
