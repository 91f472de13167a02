# SPDX-License-Identifier: Apache-2.0
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.environment import (
    RunFacts,
    assembled,
    effective_patterns,
    forwarded,
    intersected,
    matches,
    merged_patterns,
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
