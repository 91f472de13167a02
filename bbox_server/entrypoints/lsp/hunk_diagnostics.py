# SPDX-License-Identifier: Apache-2.0
"""Undecided hunks as diagnostics, and decisions on them as code actions (LSP 3.17)."""

from collections.abc import Iterable, Iterator
from typing import Final

from lsprotocol import types

from bbox_server.domain.change import ChangeKind, Tier
from bbox_server.domain.review import Verdict
from bbox_server.wire.review import ChangeMessage, HunkMessage

SOURCE: Final = "bbox"
SHOWN_LINES: Final = 30
"""Lines of a hunk that a diagnostic has; an editor shows it in a list or a small window."""

DONE: Final = {
    ChangeKind.ADDED: "added this file",
    ChangeKind.DELETED: "deleted this file",
    ChangeKind.RENAMED: "renamed this file",
    ChangeKind.MODE: "changed the mode of this file",
    ChangeKind.BULK: "added many files here",
}


def diagnostics(change: ChangeMessage, agent: str) -> list[types.Diagnostic]:
    """One for each undecided hunk; one for a change that is decided as a whole."""
    if change.withheld is not None:
        return []
    if not change.hunks:
        done = DONE.get(change.kind, "changed this file")
        text = f"{agent} {done}"
        is_open = change.verdict is Verdict.UNDECIDED
        return [_diagnostic(change, _lines(0, 0), text)] if is_open else []
    return [
        _diagnostic(change, hunk_range(hunk), _text(hunk, agent))
        for hunk in change.hunks
        if hunk.verdict is Verdict.UNDECIDED
    ]


def code_actions(
    change: ChangeMessage, session: str, revision: int, wanted: types.Range
) -> Iterator[types.Command]:
    """Accept or reject the hunks in a range, and the whole file; see its diff."""
    if change.withheld is not None:
        return
    for hunk in change.hunks:
        if hunk.verdict is Verdict.UNDECIDED and _meet(hunk_range(hunk), wanted):
            for verdict, word in ((Verdict.ACCEPTED, "Accept"), (Verdict.REJECTED, "Reject")):
                yield _decide(
                    f"{word} hunk {hunk.header}",
                    {"session": session, "revision": revision},
                    {"change": change.id, "hunk": hunk.id, "verdict": verdict.value},
                )
    for verdict, word in ((Verdict.ACCEPTED, "Accept"), (Verdict.REJECTED, "Reject")):
        yield _decide(
            f"{word} file {readable(change.path)}",
            {"session": session, "revision": revision},
            {"change": change.id, "verdict": verdict.value},
        )
    yield types.Command(
        title=f"Show diff of {readable(change.path)}",
        command="bbox.showDiff",
        arguments=[{"session": session, "change": change.id}],
    )


def hunk_range(hunk: HunkMessage) -> types.Range:
    """The lines that go away; where none do, the place where lines come in."""
    line = max(0, hunk.old_start - 1) if hunk.old_lines else hunk.old_start
    first: int | None = None
    last = line
    for text in hunk.diff.split("\n")[:-1]:
        if text[:1] in {"-", "+"}:
            first = line if first is None else first
            last = max(last, line + (text[:1] == "-"))
        line += text[:1] in {"-", " "}
    first = line if first is None else first
    return _lines(first, max(first, last))


def readable(text: str) -> str:
    """Guest-written text without what a screen would act on, or a JSON reader stumble over."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def as_actions(commands: Iterable[types.Command]) -> list[types.CodeAction]:
    """For editors that know code actions as literals."""
    return [
        types.CodeAction(title=command.title, kind=types.CodeActionKind.QuickFix, command=command)
        for command in commands
    ]


def _text(hunk: HunkMessage, agent: str) -> str:
    lines = hunk.diff.split("\n")[:-1]
    counts = {sign: sum(line[:1] == sign for line in lines) for sign in "+-"}
    head = f"{agent} changed this: {counts['+']} lines added, {counts['-']} removed"
    shown = lines[:SHOWN_LINES]
    rest = len(lines) - len(shown)
    return "\n".join([head, *shown, *([f"… and {rest} more lines"] if rest else [])])


def _diagnostic(change: ChangeMessage, place: types.Range, text: str) -> types.Diagnostic:
    runs = change.tier is Tier.EXECUTES_ON_HOST
    warning = f"Look closely: {change.reason or 'the host runs it'}.\n" if runs else ""
    severity = types.DiagnosticSeverity
    return types.Diagnostic(
        range=place,
        message=readable(warning + text),
        severity=severity.Warning if runs else severity.Information,
        source=SOURCE,
    )


def _lines(first: int, end: int) -> types.Range:
    return types.Range(
        start=types.Position(line=first, character=0), end=types.Position(line=end, character=0)
    )


def _meet(one: types.Range, other: types.Range) -> bool:
    """Whether two ranges share a line; an empty one is the line that it begins."""
    last = max(one.start.line, one.end.line - 1)
    return one.start.line <= other.end.line and other.start.line <= last


def _decide(title: str, review: dict[str, object], decision: dict[str, object]) -> types.Command:
    return types.Command(
        title=title, command="bbox.decide", arguments=[{**review, "decisions": [decision]}]
    )
