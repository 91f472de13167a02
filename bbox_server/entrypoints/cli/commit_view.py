# SPDX-License-Identifier: Apache-2.0
"""The agent's commits as text. Subjects, authors and names are the guest's words: all escaped."""

from collections.abc import Iterable
from typing import Final

from bbox_server.domain.commit import AgentBranch, AgentCommit, RefUpdate, pending
from bbox_server.domain.escape import escape_text
from bbox_server.entrypoints.cli.changes_view import shown_path
from bbox_server.entrypoints.cli.style import Style

SHORT: Final = 10
"""Digits of a commit's name that are shown: enough for any repository of today."""

NAMES_SHOWN: Final = 8


def branch_lines(branches: Iterable[AgentBranch], style: Style) -> list[str]:
    """A title for each branch, and a line for each commit."""
    lines: list[str] = []
    for branch in branches:
        where = _where(branch)
        if branch.failure:
            lines.append(style.bold(f"Commits on {where}"))
            lines.append(style.red(f"  can't be brought: {escape_text(branch.failure)}"))
            continue
        state = f"taken, in {branch.ref}" if branch.taken else f"a flush fetches {branch.ref}"
        lines.append(style.bold(f"Commits on {where} ({branch.commit_count}): {state}"))
        lines += (f"  {_commit_line(commit, style)}" for commit in branch.commits)
        left = branch.commit_count - len(branch.commits)
        if left > 0:
            lines.append(style.dim(f"  … {left} older ones"))
    return lines


def fetch_lines(branches: Iterable[AgentBranch]) -> list[str]:
    """What a flush will do for each branch."""
    return [
        f"  fetch {_counted(branch.commit_count)} of {_where(branch)} to {branch.ref}"
        for branch in branches
    ]


def ref_lines(updates: Iterable[RefUpdate], style: Style) -> list[str]:
    """What became of each ref."""
    return [_ref_line(update, style) for update in updates]


def offer(updates: Iterable[RefUpdate]) -> str:
    """The branches that could be moved forward, for a question; empty where there is none."""
    return ", ".join(escape_text(update.branch) for update in updates if update.branch)


def _ref_line(update: RefUpdate, style: Style) -> str:
    name = escape_text(update.ref)
    if update.repository.parts:
        name = f"{name} of {shown_path(update.repository)}"
    if update.failure:
        return style.red(f"  {name}: {escape_text(update.failure)}")
    if update.after is None:
        return f"  {name} is removed"
    return f"  {name} is at {update.after[:SHORT]}"


def _where(branch: AgentBranch) -> str:
    name = escape_text(branch.name)
    return f"{name} of {shown_path(branch.repository)}" if branch.repository.parts else name


def commits_waiting(branches: Iterable[AgentBranch]) -> str:
    """The end of a sentence about what waits; empty where no commit does."""
    count = sum(branch.commit_count for branch in pending(branches))
    return f", and {_counted(count)}" if count else ""


def _counted(commits: int) -> str:
    return "1 commit" if commits == 1 else f"{commits} commits"


def _commit_line(commit: AgentCommit, style: Style) -> str:
    subject = escape_text(commit.subject) or "(no message)"
    names = ", ".join(shown_path(file.path) for file in commit.files[:NAMES_SHOWN])
    more = commit.file_count - min(len(commit.files), NAMES_SHOWN)
    files = f"{names} and {more} more" if more else names
    author = f"{escape_text(commit.author)} <{escape_text(commit.email)}>"
    facts = style.dim(f"{author}  {files}".rstrip())
    return f"{style.yellow(commit.id[:SHORT])} {subject}  {facts}"
