# SPDX-License-Identifier: Apache-2.0
"""Changes and hunks as text. Names and lines are the guest's words: all are escaped."""

from collections.abc import Iterable, Sequence
from typing import Final

from bbox_server.domain.change import (
    Change,
    ChangeKind,
    Entry,
    EntryKind,
    Hunk,
    Tier,
    WithheldReason,
)
from bbox_server.domain.escape import escape_line, escape_text
from bbox_server.domain.review import Review, ReviewItem, Verdict
from bbox_server.domain.review_note import Note
from bbox_server.domain.workspace import WorkspacePath
from bbox_server.entrypoints.cli.style import Style

SIGNS: Final = {
    ChangeKind.ADDED: "A",
    ChangeKind.MODIFIED: "M",
    ChangeKind.DELETED: "D",
    ChangeKind.RENAMED: "R",
    ChangeKind.MODE: "X",
    ChangeKind.TYPE_CHANGE: "T",
    ChangeKind.SYMLINK: "L",
    ChangeKind.DIRECTORY: "A",
    ChangeKind.SPECIAL: "S",
    ChangeKind.BULK: "B",
}
WITHHELD: Final = {
    WithheldReason.EXCLUDED: "hidden by the excludes",
    WithheldReason.SECRET: "a name that secrets have",
    WithheldReason.GIT_INTERNAL: "git's own files",
    WithheldReason.SPECIAL_FILE: "no regular file",
    WithheldReason.LEAVES_WORKSPACE: "leaves the workspace",
    WithheldReason.TOO_LARGE: "too large",
}
KIBIBYTE: Final = 1024


def shown_path(path: WorkspacePath) -> str:
    """A path that can't play tricks on a terminal."""
    return escape_text(str(path))


def line_counts(item: ReviewItem) -> tuple[int, int]:
    """Added and removed lines."""
    lines = [line.origin for hunk in item.hunks for line in hunk.lines]
    return lines.count("+"), lines.count("-")


def change_line(item: ReviewItem, style: Style) -> str:
    """One line for a list: sign, path, what happened, and what to look at."""
    change = item.change
    marks = [_facts(item, style), *_warnings(item, style)]
    if item.verdict is not Verdict.UNDECIDED:
        marks.append(verdict_mark(item.verdict, style))
    text = "  ".join(mark for mark in marks if mark)
    return f"{_sign(change, style)} {_name(change)}  {text}".rstrip()


def verdict_mark(verdict: Verdict, style: Style) -> str:
    """A verdict, coloured."""
    match verdict:
        case Verdict.ACCEPTED | Verdict.EDITED:
            return style.green(verdict.value)
        case Verdict.REJECTED:
            return style.red(verdict.value)
        case Verdict.MIXED | Verdict.UNDECIDED:
            return style.yellow(verdict.value)


def hunk_text(hunk: Hunk, style: Style) -> str:
    """One hunk as a unified diff."""
    lines = [style.cyan(escape_text(hunk.header))]
    for line in hunk.lines:
        content = _decoded(line.content.removesuffix(b"\n"))
        text = f"{line.origin}{escape_line(content)}"
        lines.append({"+": style.green, "-": style.red}.get(line.origin, str)(text))
        if not line.content.endswith(b"\n"):
            lines.append(style.dim("\\ No newline at end of file"))
    return "\n".join(lines)


def item_text(item: ReviewItem, hunks: Sequence[Hunk], style: Style) -> str:
    """A change with its lines, or what stands in their place."""
    head = style.bold(f"{SIGNS[item.change.kind]} {_name(item.change)}")
    warnings = _warnings(item, style)
    title = "  ".join([head, *warnings])
    body = [hunk_text(hunk, style) for hunk in hunks] or [style.dim(_whole(item.change))]
    return "\n".join([title, *body])


def summary_lines(review: Review, style: Style) -> list[str]:
    """The list of changes, ordinary ones last, and how many are withheld."""
    order = (Tier.EXECUTES_ON_HOST, Tier.BUILD_FILE, Tier.ORDINARY)
    lines: list[str] = []
    for tier in order:
        items = review.of_tier(tier)
        if items:
            lines.append(style.bold(f"{TITLES[tier]} ({len(items)})"))
            lines += [f"  {change_line(item, style)}" for item in items]
    if review.withheld:
        lines.append(style.bold(f"Withheld, never applied ({len(review.withheld)})"))
        lines += [f"  {change_line(item, style)}" for item in review.withheld]
    return lines


TITLES: Final = {
    Tier.ORDINARY: "Changes",
    Tier.BUILD_FILE: "Build files: run by your tools",
    Tier.EXECUTES_ON_HOST: "Runs on your machine by itself: decided one by one",
    Tier.SECRET: "Secrets",
    Tier.GIT_INTERNAL: "Git internals",
}


def names(paths: Iterable[WorkspacePath]) -> str:
    """Paths for a sentence."""
    return ", ".join(shown_path(path) for path in paths)


def _sign(change: Change, style: Style) -> str:
    sign = SIGNS[change.kind]
    match change.kind:
        case ChangeKind.ADDED | ChangeKind.DIRECTORY | ChangeKind.BULK:
            return style.green(sign)
        case ChangeKind.DELETED:
            return style.red(sign)
        case _:
            return style.yellow(sign)


def _name(change: Change) -> str:
    path = shown_path(change.path)
    if change.old_path is not None:
        return f"{shown_path(change.old_path)} → {path}"
    return f"{path}/" if change.kind in {ChangeKind.DIRECTORY, ChangeKind.BULK} else path


def _facts(item: ReviewItem, style: Style) -> str:
    added, removed = line_counts(item)
    if added or removed:
        return f"{style.green(f'+{added}')} {style.red(f'-{removed}')}"
    return style.dim(_whole(item.change))


def _whole(change: Change) -> str:
    if change.kind is ChangeKind.BULK:
        return "1 file" if change.bulk_count == 1 else f"{change.bulk_count} files"
    if change.mode_changed and change.kind is ChangeKind.MODE and change.agent is not None:
        return f"mode {change.agent.mode:o}"
    if change.agent is None:
        return "deleted"
    return _described(change.agent)


def _described(entry: Entry) -> str:
    match entry.kind:
        case EntryKind.SYMLINK:
            return f"link to {escape_text(entry.link_target or '')}"
        case EntryKind.DIRECTORY:
            return "directory"
        case EntryKind.SPECIAL:
            return "no regular file"
        case EntryKind.FILE:
            return size_text(entry.size)


def size_text(size: int) -> str:
    """A size for people."""
    if size < KIBIBYTE:
        return f"{size} bytes"
    return f"{size / KIBIBYTE:.1f} KiB"


NOTES: Final = {
    Note.BECOMES_EXECUTABLE: "becomes executable",
    Note.LINE_ENDINGS: "other line endings",
    Note.BYTE_ORDER_MARK: "byte order mark added or removed",
    Note.FINAL_NEWLINE: "newline at the end added or removed",
    Note.NOT_UTF8: "no UTF-8: some characters are not shown as they are",
}


def _warnings(item: ReviewItem, style: Style) -> list[str]:
    warnings = []
    if item.change.withheld is not None:
        warnings.append(style.yellow(WITHHELD[item.change.withheld]))
    if item.change.tier is Tier.EXECUTES_ON_HOST:
        warnings.append(style.red(f"⚠ {item.reason}" if item.reason else "⚠ runs on the host"))
    warnings += [style.yellow(NOTES[note]) for note in item.notes]
    if item.failure:
        warnings.append(style.red(escape_text(item.failure)))
    return warnings


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", errors="surrogateescape")
