# SPDX-License-Identifier: Apache-2.0
"""`bbox review`, `flush`, `undo`, and what happens at the end of a run."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from bbox_server.domain.decision import Decision
from bbox_server.domain.desk import Desk
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushReport
from bbox_server.domain.plan import FlushPlan
from bbox_server.domain.review import Review, ReviewItem, Verdict
from bbox_server.entrypoints.cli.changes_view import names, shown_path, summary_lines
from bbox_server.entrypoints.cli.commit_view import branch_lines, offer, ref_lines
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.opened_review import OpenedReview, opened_review
from bbox_server.entrypoints.cli.plan_view import plan_lines, report_lines
from bbox_server.entrypoints.cli.review_prompt import ReviewPrompt
from bbox_server.entrypoints.cli.services import Services

INCOMPLETE = 1


async def review(values: Namespace, services: Services, console: Console) -> int:
    """Decide: asked on a terminal, or by the options."""
    record = services.find(values.session, services.directory)
    async with opened_review(record.id, services) as opened:
        if _is_scripted(values):
            await decide_by_options(opened, values, console)
        elif console.interactive and not values.json:
            return await review_interactively(opened, services.desk, console)
        code = await flush_all(opened, console) if values.flush else 0
        await opened.settle()
        listed = await opened.changes.list()
        _show(record.id, listed, values, console)
    return code


async def flush(values: Namespace, services: Services, console: Console) -> int:
    """Write what is accepted."""
    is_late = bool(values.fast_forward)  # the commits may have come with an earlier flush
    record = services.find(values.session, services.directory, done_too=is_late)
    async with opened_review(record.id, services) as opened:
        plan = await opened.plan()
        if values.dry_run:
            _show_plan(record.id, plan, values, console)
            return 0
        report = await opened.flush(plan.hash)
        if values.fast_forward:
            report = replace(report, refs=(*report.refs, *await opened.forward(report.flush)))
    if values.json:
        from bbox_server.wire.review import flush_message

        console.say(flush_message(record.id, report).to_json(indent=2))
    else:
        _tell(plan, report, console)
        if not values.fast_forward:
            tell_offer(report, console)
    return _code(plan, report)


async def undo(values: Namespace, services: Services, console: Console) -> int:
    """Take the last flush back."""
    record = services.find(values.session, services.directory, done_too=True)
    async with opened_review(record.id, services) as opened:
        report = await opened.undo()
    if values.json:
        from bbox_server.wire.review import flush_message

        console.say(flush_message(record.id, report).to_json(indent=2))
    else:
        for line in report_lines(report, console.style):
            console.say(line)
    return INCOMPLETE if report.failed or _has_lost_ref(report) else 0


async def review_interactively(opened: OpenedReview, desk: Desk, console: Console) -> int:
    """Ask about everything, then offer to apply it."""
    listed = await opened.changes.list()
    for line in overview_lines(listed, console):
        console.say(line)
    try:
        finished = await ReviewPrompt(review=opened, desk=desk, console=console)()
    except KeyboardInterrupt:
        finished = False
        console.say()
    return await _offer_to_apply(opened, console, finished=finished)


async def _offer_to_apply(opened: OpenedReview, console: Console, *, finished: bool) -> int:
    plan = await opened.plan()
    session = opened.session
    if plan.is_empty:
        await opened.settle()
        console.say("No changes accepted." if finished else f"Go on with: bbox review {session}")
        return 0
    console.say()
    for line in plan_lines(plan, console.style):
        console.say(line)
    answer = console.ask("Apply this to the workspace now? [Y/n]: ")
    if answer is None or answer.lower() not in {"", "y", "yes"}:
        console.say(f"Nothing is written. Go on with: bbox review {session}, or bbox flush")
        return 0
    report = await opened.flush(plan.hash)
    _tell(plan, report, console)
    await _offer_to_forward(opened, report, console)
    return _code(plan, report)


async def _offer_to_forward(opened: OpenedReview, report: FlushReport, console: Console) -> None:
    branches = offer(report.refs)
    if not branches:
        return
    answer = console.ask(f"Move {branches} forward to the agent's commits? [y/N]: ")
    if (answer or "").lower() in {"y", "yes"}:
        for line in ref_lines(await opened.forward(report.flush), console.style):
            console.say(line)


async def apply_ordinary(opened: OpenedReview, console: Console) -> int:
    """Apply all that may be applied unasked; the rest waits (architecture.md, 1)."""
    listed, bulk = await opened.changes.accept_ordinary()
    code = await flush_all(opened, console)
    left = len(listed.undecided)
    if left:
        held = names((*bulk.to_confirm, *bulk.one_by_one))
        console.note(
            f"{left} changes are decided one by one: {held}. "
            f"Go on with: bbox review {opened.session}"
        )
    return code


async def flush_all(opened: OpenedReview, console: Console) -> int:
    """Plan and flush what is accepted."""
    plan = await opened.plan()
    if plan.is_empty:
        console.note("No changes accepted.")
        return 0
    report = await opened.flush(plan.hash)
    _tell(plan, report, console)
    tell_offer(report, console)
    return _code(plan, report)


def tell_offer(report: FlushReport, console: Console) -> None:
    """How to take the agent's commits into the user's own branches, where nobody is asked."""
    if offer(report.refs):
        console.note(
            f"{offer(report.refs)} can move forward to the agent's commits: "
            "bbox flush --fast-forward"
        )


def overview_lines(listed: Review, console: Console) -> list[str]:
    """The agent's commits, then its changes."""
    style = console.style
    return [*branch_lines(listed.branches, style), *summary_lines(listed, style)]


def _tell(plan: FlushPlan, report: FlushReport, console: Console) -> None:
    for line in (
        *plan_lines(plan, console.style, problems_only=True),
        *report_lines(report, console.style),
    ):
        console.say(line)
    if any(result.path.name == ".gitmodules" for result in report.applied):
        console.note(
            "Submodules' own git directories are not written.\nRun: git submodule update --init"
        )


def _code(plan: FlushPlan, report: FlushReport) -> int:
    return INCOMPLETE if plan.conflicts or report.failed or _has_lost_ref(report) else 0


def _has_lost_ref(report: FlushReport) -> bool:
    return any(update.failure for update in report.refs)


def _is_scripted(values: Namespace) -> bool:
    return bool(
        values.accept or values.reject or values.accept_all or values.reject_all or values.flush
    )


async def decide_by_options(opened: OpenedReview, values: Namespace, console: Console) -> None:
    """What the options say, in this order: rejects, accepts, then all. Raises: review.invalid."""
    listed = await opened.changes.list()
    for verdict, words in (
        (Verdict.REJECTED, values.reject),
        (Verdict.ACCEPTED, values.accept),
    ):
        for word in words:
            listed = await opened.changes.decide([_decision(word, verdict, listed)])
    if values.reject_all:
        await opened.changes.decide(
            [Decision(change=i.change.id, verdict=Verdict.REJECTED) for i in listed.undecided]
        )
    if values.accept_all:
        await _accept_all(opened, console, build_files=values.build_files)


async def _accept_all(opened: OpenedReview, console: Console, *, build_files: bool) -> None:
    _, bulk = await opened.changes.accept_ordinary()
    if bulk.to_confirm and build_files:
        _, bulk = await opened.changes.accept_ordinary(frozenset(bulk.to_confirm))
    if bulk.to_confirm:
        console.note(
            f"Not accepted, these are build files: {names(bulk.to_confirm)}. "
            "Add --build-files to accept them."
        )
    if bulk.one_by_one:
        console.note(
            f"Not accepted, these run on your machine by themselves: "
            f"{names(bulk.one_by_one)}. Accept each with --accept PATH."
        )


def _decision(word: str, verdict: Verdict, listed: Review) -> Decision:
    path, _, number = word.partition("#")
    item = _item(path, listed)
    if not number:
        return Decision(change=item.change.id, verdict=verdict)
    if not number.isdecimal() or not 1 <= int(number) <= len(item.hunks):
        raise BboxError(
            ErrorCode.REVIEW_INVALID,
            cause=f"{shown_path(item.change.path)} has no hunk {number!r}: "
            f"it has {len(item.hunks)}, counted from 1.",
            remediation=f"`bbox diff {shown_path(item.change.path)}` shows them.",
        )
    return Decision(change=item.change.id, hunk=item.hunks[int(number) - 1].id, verdict=verdict)


def _item(path: str, listed: Review) -> ReviewItem:
    for item in listed.items:
        if str(item.change.path) == path:
            return item
    raise BboxError(
        ErrorCode.REVIEW_INVALID,
        cause=f"The agent changed nothing at {path!a}.",
        remediation="`bbox diff --stat` lists what changed.",
    )


def _show(session: str, listed: Review, values: Namespace, console: Console) -> None:
    if values.json:
        from bbox_server.wire.review import review_message

        console.say(review_message(session, listed).to_json(indent=2))
        return
    lines: Sequence[str] = overview_lines(listed, console)
    for line in lines or ["Nothing is left to review."]:
        console.say(line)


def _show_plan(session: str, plan: FlushPlan, values: Namespace, console: Console) -> None:
    if values.json:
        from bbox_server.wire.review import plan_message

        console.say(plan_message(session, plan).to_json(indent=2))
        return
    for line in plan_lines(plan, console.style) or ["Nothing is accepted."]:
        console.say(line)
