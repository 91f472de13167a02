# SPDX-License-Identifier: Apache-2.0
"""`bbox diff`, `discard`, `sessions` and `logs`."""

import json
import time
from argparse import Namespace
from collections.abc import Iterable
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.review import Review, ReviewItem
from bbox_server.domain.session import ENDED, SessionEvent, SessionRecord, SessionState
from bbox_server.domain.trace import spans_of, timing_lines
from bbox_server.entrypoints.cli.changes_view import item_text, summary_lines
from bbox_server.entrypoints.cli.commit_view import branch_lines
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.opened_review import opened_review
from bbox_server.entrypoints.cli.services import Services

UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


async def diff(values: Namespace, services: Services, console: Console) -> int:
    """Show what the agent changed."""
    session, paths = _session_or_path(values)
    record = services.find(session, services.directory, done_too=True)
    async with opened_review(record.id, services) as opened:
        listed = await opened.changes.list()
        items = _chosen(listed, paths)
        texts = (
            []
            if values.stat or values.json
            else [
                item_text(item, await opened.changes.hunks(item.change.id), console.style)
                for item in items
            ]
        )
    branches = () if paths else listed.branches
    shown = Review(revision=listed.revision, items=items, branches=branches)
    if values.json:
        from bbox_server.wire.review import review_message

        console.say(review_message(record.id, shown).to_json(indent=2))
    elif values.stat:
        lines = (*branch_lines(branches, console.style), *summary_lines(shown, console.style))
        for line in lines or ["No workspace changes detected."]:
            console.say(line)
    else:
        if branches:
            texts.insert(0, "\n".join(branch_lines(branches, console.style)))
        services.desk.show("\n\n".join(texts) + "\n")
    return 0


def _session_or_path(values: Namespace) -> tuple[str | None, list[str]]:
    """Both stand at the same place: what looks like an id is one."""
    first: str | None = values.session
    digits = set("0123456789abcdef")
    if first is None or (4 <= len(first) <= 8 and set(first) <= digits):  # noqa: PLR2004 (an id has 8, its beginning 4 or more)
        return first, values.paths
    return None, [first, *values.paths]


def _chosen(listed: Review, paths: list[str]) -> tuple[ReviewItem, ...]:
    if not paths:
        return listed.items
    wanted = [path.rstrip("/") for path in paths]
    return tuple(
        item
        for item in listed.items
        if any(
            str(item.change.path) == p or str(item.change.path).startswith(p + "/") for p in wanted
        )
    )


async def discard(values: Namespace, services: Services, console: Console) -> int:
    """Throw a session away, after a question."""
    record = services.find(values.session, services.directory)
    if not values.force:
        if not console.interactive:
            raise BboxError(
                ErrorCode.CLI_USAGE,
                cause=f"Nobody can be asked whether to discard session {record.id}.",
                remediation="Say so with --force.",
            )
        answer = console.ask(f"Discard session {record.id} and all that the agent did? [y/N]: ")
        if (answer or "").lower() not in {"y", "yes"}:
            console.say("Nothing is discarded.")
            return 0
    async with services.gateway().connect(record.id) as connection:
        await connection.request("bbox/sessions/discard", {"session": record.id})
    console.say(f"Session {record.id} is discarded.")
    return 0


async def sessions(values: Namespace, services: Services, console: Console) -> int:
    """List sessions, newest first."""
    records = services.sessions.list()
    if not values.all:
        records = tuple(record for record in records if record.state not in ENDED)
    if values.json:
        from bbox_server.wire.session import SessionsMessage, session_message

        message = SessionsMessage(sessions=tuple(session_message(r) for r in records))
        console.say(message.to_json(indent=2))
        return 0
    if not records:
        console.say("No session runs or waits for review.")
    for record in records:
        console.say(_session_line(record, console))
    return 0


def _session_line(record: SessionRecord, console: Console) -> str:
    style = console.style
    state = _shown_state(record)
    colour = style.green if record.held else style.yellow
    age = _age(time.time() - record.created_at)
    return (
        f"{style.bold(record.id)}  {colour(f'{state:<10}')} {record.agent:<14} "
        f"{age:>6}  {escape_text(record.workspace)}"
    )


def _shown_state(record: SessionRecord) -> str:
    """What the user can do with it: a session whose process died waits for review."""
    if record.held or record.state in ENDED:
        return record.state.value
    return "review" if record.generation is not None else SessionState.FAILED.value


def _age(seconds: float) -> str:
    for size, unit in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


async def logs(values: Namespace, services: Services, console: Console) -> int:
    """Show a session's events, or the guest's console."""
    record = services.find(values.session, services.directory, done_too=True)
    if values.console:
        services.desk.show(services.logs.console(record.id))
        return 0
    if values.trace:
        console.say(services.trace().now(record))
        return 0
    events = services.logs.events(record.id)
    if values.timings:
        for line in timing_lines(spans_of(events)):
            console.say(line)
        return 0
    if values.json:
        for line in _event_lines(events, as_json=True):
            console.out.write(line)
    else:
        services.desk.show("".join(_event_lines(events, as_json=False)))
    return 0


def _event_lines(events: Iterable[SessionEvent], *, as_json: bool) -> Iterable[str]:
    for event in events:
        if as_json:
            fields = {"seq": event.seq, "ts": event.at, "kind": event.kind.value, **event.fields}
            yield json.dumps(fields) + "\n"
            continue
        at = time.strftime("%H:%M:%S", time.localtime(event.at))
        facts = "  ".join(
            f"{name}={escape_text(str(value))}"
            for name, value in event.fields.items()
            if value not in {None, "", 0}
        )
        yield f"{at}  {event.kind.value:<16} {facts}\n"
