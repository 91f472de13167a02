# SPDX-License-Identifier: Apache-2.0
"""Flush plans and reports as text."""

from typing import Final

from bbox_server.domain.escape import escape_text
from bbox_server.domain.flush import FlushKind, FlushReport, ResultKind
from bbox_server.domain.plan import ConflictReason, FlushPlan, OperationKind, SkipReason
from bbox_server.entrypoints.cli.changes_view import shown_path
from bbox_server.entrypoints.cli.commit_view import fetch_lines, ref_lines
from bbox_server.entrypoints.cli.style import Style

OPERATIONS: Final = {
    OperationKind.MAKE_DIRECTORY: "make directory",
    OperationKind.WRITE: "write",
    OperationKind.SYMLINK: "link",
    OperationKind.CHANGE_MODE: "change mode of",
    OperationKind.DELETE: "delete",
    OperationKind.REMOVE_DIRECTORY: "remove directory",
}
CONFLICTS: Final = {
    ConflictReason.CHANGED_BOTH: "you and the agent changed the same lines",
    ConflictReason.ADDED_BOTH: "you added a file of that name, too",
    ConflictReason.DELETED_HERE: "you deleted it meanwhile",
    ConflictReason.CHANGED_HERE: "you changed it meanwhile",
    ConflictReason.TYPE_DIFFERS: "it is something else in the workspace now",
    ConflictReason.PARENT_IS_LINK: "its directory is a link in the workspace",
    ConflictReason.PARENT_IS_NO_DIRECTORY: "its directory is a file in the workspace",
    ConflictReason.NOT_EMPTY: "the directory has files of yours",
    ConflictReason.UNREADABLE: "it can't be read",
    ConflictReason.UNSAVED: "an editor has changes of it that are not saved",
}
SKIPS: Final = {
    SkipReason.ALREADY_THERE: "is like that already",
    SkipReason.NOT_EMPTY: "stays, it is not empty",
    SkipReason.RESERVED_NAME: "has a name that flushes use themselves",
    SkipReason.LINK_LEAVES_WORKSPACE: "is a link that leaves the workspace",
    SkipReason.SPECIAL_FILE: "is no regular file",
    SkipReason.DECIDED_ON_ITS_OWN: "has to be decided on its own",
}
RESULTS: Final = {
    ResultKind.APPLIED: "applied",
    ResultKind.CHANGED_MEANWHILE: "changed meanwhile, left alone",
    ResultKind.FAILED: "failed",
    ResultKind.NOT_EMPTY: "not empty, left alone",
    ResultKind.ROLLED_BACK: "rolled back",
}


def plan_lines(plan: FlushPlan, style: Style, *, problems_only: bool = False) -> list[str]:
    """What will happen, then what will not, and why."""
    lines = []
    if not problems_only:
        for operation in plan.operations:
            merged = style.yellow("  (merged with your changes)") if operation.merged else ""
            lines.append(f"  {OPERATIONS[operation.kind]} {shown_path(operation.path)}{merged}")
        lines += fetch_lines(plan.branches)
    for conflict in plan.conflicts:
        reason = CONFLICTS[conflict.reason]
        lines.append(style.red(f"  conflict {shown_path(conflict.path)}: {reason}"))
    for skipped in plan.skipped:
        reason = SKIPS[skipped.reason]
        lines.append(style.dim(f"  skip {shown_path(skipped.path)}: it {reason}"))
    note = "has other names: those keep the old file"
    return [*lines, *(style.yellow(f"  {shown_path(path)} {note}") for path in plan.hard_linked)]


def report_lines(report: FlushReport, style: Style) -> list[str]:
    """How many paths were written, and each that was not."""
    verb = "Applied" if report.kind is FlushKind.FLUSH else "Brought back"
    paths = len({result.path for result in report.applied})
    lines = [style.green(f"{verb} {paths} {'path' if paths == 1 else 'paths'}.")]
    for result in report.failed:
        detail = f": {escape_text(result.detail)}" if result.detail else ""
        text = f"  {shown_path(result.path)} {RESULTS[result.result]}{detail}"
        lines.append(style.red(text))
    return [*lines, *ref_lines(report.refs, style)]
