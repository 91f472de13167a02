# SPDX-License-Identifier: Apache-2.0
"""Undecided hunks as an editor sees them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from bbox_server.domain.change import ChangeKind, Tier, WithheldReason
from bbox_server.domain.review import Verdict
from bbox_server.entrypoints.lsp.hunk_diagnostics import (
    SHOWN_LINES,
    code_actions,
    diagnostics,
    hunk_range,
    readable,
)
from bbox_server.wire.review import ChangeMessage, HunkMessage

EVERYWHERE = types.Range(
    start=types.Position(line=0, character=0), end=types.Position(line=999, character=0)
)


def hunk(diff: str, *, start: int = 1, verdict: Verdict = Verdict.UNDECIDED) -> HunkMessage:
    lines = diff.split("\n")[:-1]
    old = sum(line[:1] in {" ", "-"} for line in lines)
    new = sum(line[:1] in {" ", "+"} for line in lines)
    return HunkMessage(
        id=f"hunk-{start}",
        header=f"@@ -{start},{old} +{start},{new} @@",
        old_start=start,
        old_lines=old,
        new_start=start,
        new_lines=new,
        verdict=verdict,
        diff=diff,
    )


def change(*hunks: HunkMessage, **fields: object) -> ChangeMessage:
    known: dict[str, object] = {
        "id": "c1",
        "path": "a.txt",
        "kind": ChangeKind.MODIFIED,
        "tier": Tier.ORDINARY,
        "verdict": Verdict.UNDECIDED,
    }
    return ChangeMessage.model_validate({**known, **fields, "hunks": hunks})


@pytest.mark.parametrize(
    ("shown", "first", "end"),
    [
        (hunk(" a\n-b\n+c\n d\n", start=4), 4, 5),
        (hunk(" a\n+c\n d\n", start=4), 4, 4),
        (hunk("-a\n-b\n", start=1), 0, 2),
        (hunk("+a\n+b\n", start=0), 0, 0),
        (hunk(" a\n-b\n+c\n d\n-e\n", start=10), 10, 13),
    ],
    ids=["replaced", "inserted", "removed", "new file", "two places"],
)
def test_a_diagnostic_is_at_the_lines_that_go_away(
    shown: HunkMessage, first: int, end: int
) -> None:
    found = hunk_range(shown)
    assert (found.start.line, found.end.line) == (first, end)


def test_decided_and_withheld_changes_have_none() -> None:
    accepted = hunk("-a\n+b\n", verdict=Verdict.ACCEPTED)
    rejected = hunk("-c\n+d\n", start=9, verdict=Verdict.REJECTED)
    assert diagnostics(change(accepted, rejected), "codex") == []
    assert diagnostics(change(verdict=Verdict.ACCEPTED), "codex") == []
    assert diagnostics(change(withheld=WithheldReason.SECRET), "codex") == []
    assert list(code_actions(change(withheld=WithheldReason.SECRET), "s", 1, EVERYWHERE)) == []


def test_a_change_without_hunks_is_told_as_a_whole() -> None:
    found = diagnostics(change(kind=ChangeKind.DELETED), "codex")
    assert [item.message for item in found] == ["codex deleted this file"]


def test_what_the_host_runs_is_a_warning_that_says_why() -> None:
    found = diagnostics(change(tier=Tier.EXECUTES_ON_HOST, reason="the editor runs it"), "codex")
    assert found[0].severity is types.DiagnosticSeverity.Warning
    assert found[0].message.startswith("Look closely: the editor runs it.")


def test_a_long_hunk_is_cut() -> None:
    text = diagnostics(change(hunk("+x\n" * 500)), "codex")[0].message
    assert len(text.split("\n")) == SHOWN_LINES + 2
    assert text.endswith(f"… and {500 - SHOWN_LINES} more lines")


def test_actions_are_those_of_the_place_and_of_the_file() -> None:
    shown = change(hunk("-a\n+b\n", start=1), hunk("-c\n+d\n", start=50))
    cursor = types.Position(line=49, character=3)
    found = list(code_actions(shown, "s1", 7, types.Range(start=cursor, end=cursor)))
    assert [item.title for item in found] == [
        *("Accept hunk @@ -50,1 +50,1 @@", "Reject hunk @@ -50,1 +50,1 @@"),
        *("Accept file a.txt", "Reject file a.txt", "Show diff of a.txt"),
    ]
    decision = {"change": "c1", "hunk": "hunk-50", "verdict": "accepted"}
    assert found[0].arguments == [{"session": "s1", "revision": 7, "decisions": [decision]}]


@given(st.text())
def test_guest_written_text_is_harmless_on_a_screen_and_in_json(text: str) -> None:
    shown = readable(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert json.dumps(shown, ensure_ascii=False).encode()


@given(st.text(alphabet="+- a\n", max_size=80), st.integers(min_value=0, max_value=100))
def test_any_diff_has_a_place(diff: str, start: int) -> None:
    found = hunk_range(hunk(diff, start=start))
    assert 0 <= found.start.line <= found.end.line
