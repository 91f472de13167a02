# SPDX-License-Identifier: Apache-2.0
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.environment import (
    RunFacts,
    assembled,
    carry,
    effective_patterns,
    forwarded,
    intersected,
    matches,
    merged_patterns,
    missing_names,
    shell_quoted,
    universal,
)

NAMES = st.text("ABC_", min_size=1, max_size=5)
PATTERNS = NAMES | NAMES.map(lambda name: f"{name}*")


@given(st.lists(PATTERNS), st.lists(PATTERNS), NAMES)
def test_a_workspace_lets_in_nothing_that_the_user_does_not(
    allowed: list[str], wanted: list[str], name: str
) -> None:
    narrowed = intersected(allowed, wanted)
    if any(matches(pattern, name) for pattern in narrowed):
        assert any(matches(pattern, name) for pattern in allowed)


def test_an_empty_list_is_nothing_and_not_the_agent_s_own() -> None:
    built_in = ("ANTHROPIC_API_KEY", "CLAUDE_*")
    assert effective_patterns(built_in, None, None) == built_in
    assert effective_patterns(built_in, (), None) == ()
    assert effective_patterns(built_in, ("ONLY_THIS",), ("NOPE",)) == ()
    assert effective_patterns(built_in, None, ("CLAUDE_X",)) == ("CLAUDE_X",)


def test_patterns_are_kept_once_the_base_first() -> None:
    assert merged_patterns(("A", "B"), ("C", "A")) == ("A", "B", "C")


def test_what_is_no_variable_of_a_shell_is_left_out() -> None:
    variables = forwarded(["FOO*"], ["FOO.BAR=1", "FOO=a\nb"])
    env = assembled(defaults={}, shares={}, forwarded_variables=variables, authoritative={})
    assert env == {"FOO": "a\nb"}


def test_node_options_add_to_the_memory_cap() -> None:
    env = assembled(
        defaults={"A": "1"},
        shares={"NODE_OPTIONS": "--max-old-space-size=1"},
        forwarded_variables={"NODE_OPTIONS": "--inspect", "A": "2", "BBOX_HOME": "/x"},
        authoritative={"BBOX_HOME": "/home/sandbox"},
    )
    assert env == {
        "A": "2",
        "NODE_OPTIONS": "--max-old-space-size=1 --inspect",
        "BBOX_HOME": "/home/sandbox",
    }


def test_the_mcp_proxy_is_named_only_when_there_is_one() -> None:
    facts = RunFacts(agent="a", workspace="/workspace", home="/h", session="s", mcp_url="http://x")
    found = universal(facts)
    assert (found["BBOX_MCP_URL"], found["BBOX_MCP_AUTHZ_PROFILE"]) == ("http://x", "full-access")


@pytest.mark.parametrize("value", ["", "it's", "$X `id` \\", "a\nb", "'\"'"])
def test_a_quoted_value_is_one_word_of_a_shell(value: str) -> None:
    done = subprocess.run(
        ("sh", "-c", f"printf %s {shell_quoted(value)}"), capture_output=True, check=True
    )
    assert done.stdout.decode() == value


HOST = st.dictionaries(st.sampled_from(["A", "AB", "A.B", "A B", "BBOX_A", "1A", ""]), st.text())


@given(st.lists(PATTERNS | st.just("BBOX_*")), HOST)
def test_what_is_carried_was_asked_for_and_can_be_a_variable(
    patterns: list[str], environ: dict[str, str]
) -> None:
    carried = carry(patterns, environ, {"AB": "a secret"})
    assert carried.values.keys() <= {"A"}
    assert all(any(matches(pattern, name) for pattern in patterns) for name in carried.names)
    assert not carried.values.keys() & carried.held_back.keys()


def test_a_variable_that_is_held_back_is_named_with_the_reason() -> None:
    environ = {"X": "1", "X.Y": "2", "BBOX_X": "3", "XX": "é" * 70_000, "XKEY": "4"}
    assert carry(["X*", "BBOX_*"], environ, {"XKEY": "it stays"}).held_back == {
        "X.Y": "it is no name that a shell takes",
        "BBOX_X": "BBOX_* are set by bbox alone",
        "XX": "it is longer than 131072 bytes",
        "XKEY": "it stays",
    }


def test_secrets_are_told_by_their_names() -> None:
    names = ["A_TOKEN", "AWS_ACCESS_KEY_ID", "SSH_KEY", "GITHUB_PAT", "A_TOKENS", "KEYMAP", "HOME"]
    carried = carry(names, dict.fromkeys(names, "1"), {})
    assert carried.secrets == ("AWS_ACCESS_KEY_ID", "A_TOKEN", "GITHUB_PAT", "SSH_KEY")


def test_an_empty_value_is_set() -> None:
    assert missing_names(["A", "B", "C"], {"A": "", "B": "1"}) == ("C",)


def test_no_representation_shows_a_value() -> None:
    assert "hush" not in repr(carry(["A"], {"A": "hush"}, {}))
