# SPDX-License-Identifier: Apache-2.0
"""The command line's grammar (compat CLI-01, CLI-02, CLI-05)."""

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.entrypoints.cli.arguments import parse


def test_words_after_the_dashes_are_the_agents() -> None:
    line = parse(["codex", "--cpus", "2", "--", "--help"], lambda: "1")
    assert (line.command, line.values.agent, line.values.args) == ("run", "codex", ["--help"])
    assert line.values.cpus == 2


def test_options_stand_before_or_after_the_agent() -> None:
    before = parse(["--memory", "4g", "codex", "exec"], lambda: "1").values
    after = parse(["codex", "exec", "--memory", "4g"], lambda: "1").values
    assert before == after
    assert before.args == ["exec"]


def test_what_has_no_effect_here_is_accepted() -> None:
    words = ("--no-firmware-download", "--no-mcp", "--debug", "--ssh-port", "2222")
    assert parse(["codex", *words], lambda: "1").values.agent == "codex"


def test_an_option_is_written_in_full() -> None:
    with pytest.raises(BboxError) as caught:
        parse(["codex", "--mem", "4g"], lambda: "1")
    assert caught.value.code is ErrorCode.CLI_USAGE


def test_lists_are_repeatable() -> None:
    values = parse(["codex", "--exclude", "a", "--exclude", "b"], lambda: "1").values
    assert values.exclude == ["a", "b"]


def test_run_takes_an_image_and_a_command() -> None:
    values = parse(["run", "--image", "oci:./img", "--", "sh", "-c", "true"], lambda: "1").values
    assert (values.image, values.agent, values.args) == ("oci:./img", None, ["sh", "-c", "true"])


@pytest.mark.parametrize(
    ("words", "review"),
    [
        ([], "ask"),
        (["--review"], "review"),
        (["--no-review"], "later"),
        (["--auto-accept"], "auto"),
    ],
)
def test_what_happens_at_the_end_is_one_choice(words: list[str], review: str) -> None:
    assert parse(["codex", *words], lambda: "1").values.review == review


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["codex", "--review", "--auto-accept"], "--auto-accept"),
        (["codex", "--nonsense"], "--nonsense"),
        (["codex", "--cpus", "many"], "many"),
        (["codex", "--egress-profile", "open"], "open"),
        (["sessions", "--", "x"], "sessions"),
    ],
)
def test_a_bad_command_line_is_named_with_a_remedy(argv: list[str], named: str) -> None:
    with pytest.raises(BboxError) as raised:
        parse(argv, lambda: "1")
    assert raised.value.code is ErrorCode.CLI_USAGE
    assert named in raised.value.cause
    assert "--help" in raised.value.remediation


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(["--help"], lambda: "1")
    assert raised.value.code == 0
    assert "doctor" in capsys.readouterr().out
