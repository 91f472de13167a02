# SPDX-License-Identifier: Apache-2.0
"""The review, asked change by change on a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bbox_server.domain.change import ChangeId, Hunk, Side, Tier
from bbox_server.domain.decision import Decision
from bbox_server.domain.desk import Desk
from bbox_server.domain.error import BboxError
from bbox_server.domain.review import Review, ReviewItem, Verdict
from bbox_server.domain.workspace import WorkspacePath, digest_of
from bbox_server.entrypoints.cli.changes_view import (
    hunk_text,
    item_text,
    names,
    shown_path,
)
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.opened_review import OpenedReview

ORDER: Final = (Tier.ORDINARY, Tier.BUILD_FILE, Tier.EXECUTES_ON_HOST)
LINES_SHOWN: Final = 60

HELP: Final = """\
  y  apply this change                 a  apply this and all other ordinary changes
  n  leave the workspace as it is      A  reject this and all that is left
  h  decide hunk by hunk               e  edit the result, then apply it
  v  show all of it in the pager       u  take the last decision back
  q  stop here; decisions are kept     ?  this help
"""
HUNK_HELP: Final = """\
  y  apply this hunk       a  apply this and the rest of the file
  n  leave this hunk out   A  leave this and the rest of the file out
  u  take the last decision back    q  stop here; decisions are kept    ?  this help
"""


class Next(Enum):
    """How to go on after an answer."""

    SAME = auto()
    ANEW = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPrompt:
    """Asks about every undecided change, ordinary ones first, until none is left."""

    review: OpenedReview
    desk: Desk
    console: Console

    async def __call__(self) -> bool:
        """Return whether the user went through to the end."""
        while True:
            listed = await self.review.changes.list()
            item = _first_undecided(listed)
            if item is None:
                return True
            self._show(item, await self._hunks(item))
            step = Next.SAME
            while step is Next.SAME:
                step = await self._ask(item)
            if step is Next.STOP:
                return False

    def _show(self, item: ReviewItem, hunks: Sequence[Hunk]) -> None:
        text = item_text(item, hunks, self.console.style)
        lines = text.split("\n")
        self.console.say("\n" + "\n".join(lines[:LINES_SHOWN]))
        if len(lines) > LINES_SHOWN:
            rest = f"… {len(lines) - LINES_SHOWN} more lines, [v] shows them"
            self.console.say(self.console.style.dim(rest))

    async def _hunks(self, item: ReviewItem) -> Sequence[Hunk]:
        return await self.review.changes.hunks(item.change.id)

    async def _ask(self, item: ReviewItem) -> Next:
        others = "h,e,v,u,q,?" if len(item.hunks) > 1 else "e,v,u,q,?"
        answer = self.console.ask(
            f"Apply {shown_path(item.change.path)}? [y]es / [n]o / accept [a]ll / "
            f"reject [A]ll / {others}: "
        )
        if answer is None:
            return Next.STOP
        return await self._act(item, answer if answer == "A" else answer.lower())

    async def _act(self, item: ReviewItem, answer: str) -> Next:
        try:
            match answer:
                case "y" | "yes":
                    await self._decide([item], Verdict.ACCEPTED)
                case "n" | "no":
                    await self._decide([item], Verdict.REJECTED)
                case "a":
                    await self._accept_all(item)
                case "A":
                    await self._reject_all()
                case _:
                    return await self._act_otherwise(item, answer)
        except BboxError as error:
            self.console.say(self.console.style.red(f"{error.cause} {error.remediation}"))
        return Next.ANEW

    async def _act_otherwise(self, item: ReviewItem, answer: str) -> Next:
        match answer:
            case "h" if item.hunks:
                return await self._hunk_by_hunk(item.change.id)
            case "e":
                await self._edit(item)
                return Next.ANEW
            case "v":
                text = item_text(item, await self._hunks(item), self.console.style)
                self.desk.show(text + "\n")
                return Next.SAME
            case "u":
                await self.review.changes.undo()
                return Next.ANEW
            case "q" | "quit":
                return Next.STOP
            case "?" | "help":
                self.console.say(HELP)
            case _:
                self.console.say("Invalid input: answer with one of the letters, ? explains them.")
        return Next.SAME

    async def _decide(self, items: Sequence[ReviewItem], verdict: Verdict) -> Review:
        return await self.review.changes.decide(
            [Decision(change=item.change.id, verdict=verdict) for item in items]
        )

    async def _accept_all(self, item: ReviewItem) -> None:
        await self._decide([item], Verdict.ACCEPTED)
        _, bulk = await self.review.changes.accept_ordinary()
        confirmed = self._confirm(bulk.to_confirm)
        if confirmed:
            await self.review.changes.accept_ordinary(confirmed)

    def _confirm(self, paths: Sequence[WorkspacePath]) -> frozenset[WorkspacePath]:
        if not paths:
            return frozenset()
        answer = self.console.ask(f"Apply these build files too: {names(paths)}? [y/N]: ")
        return frozenset(paths) if (answer or "").lower() in {"y", "yes"} else frozenset()

    async def _reject_all(self) -> None:
        listed = await self.review.changes.list()
        await self._decide(listed.undecided, Verdict.REJECTED)

    async def _edit(self, item: ReviewItem) -> None:
        if item.change.agent is None:
            self.console.say("There is nothing to edit: the agent deleted it.")
            return
        content = await self.review.changes.read(Side.AGENT, item.change.id)
        edited = self.desk.edit(content, item.change.path.name)
        if edited is not None:
            await self.review.changes.edit(item.change.id, digest_of(content), edited)

    async def _hunk_by_hunk(self, change: ChangeId) -> Next:
        while True:
            item = (await self.review.changes.list()).item(change)
            hunk = next((h for h in item.hunks if h.id not in item.verdicts), None)
            if hunk is None:
                return Next.ANEW
            self.console.say("\n" + hunk_text(hunk, self.console.style))
            number = item.hunks.index(hunk) + 1
            answer = self.console.ask(
                f"Apply hunk {number} of {len(item.hunks)} of {shown_path(item.change.path)}? "
                f"[y]es / [n]o / a,A,u,q,?: "
            )
            if answer is None or answer.lower() in {"q", "quit"}:
                return Next.STOP
            await self._act_on_hunk(item, hunk, answer)

    async def _act_on_hunk(self, item: ReviewItem, hunk: Hunk, answer: str) -> None:
        rest = [h for h in item.hunks if h.id not in item.verdicts]
        match answer if answer == "A" else answer.lower():
            case "y" | "yes":
                await self._decide_hunks(item, [hunk], Verdict.ACCEPTED)
            case "n" | "no":
                await self._decide_hunks(item, [hunk], Verdict.REJECTED)
            case "a":
                await self._decide_hunks(item, rest, Verdict.ACCEPTED)
            case "A":
                await self._decide_hunks(item, rest, Verdict.REJECTED)
            case "u":
                await self.review.changes.undo()
            case _:
                self.console.say(HUNK_HELP)

    async def _decide_hunks(
        self, item: ReviewItem, hunks: Sequence[Hunk], verdict: Verdict
    ) -> None:
        await self.review.changes.decide(
            [Decision(change=item.change.id, hunk=hunk.id, verdict=verdict) for hunk in hunks]
        )


def _first_undecided(review: Review) -> ReviewItem | None:
    for tier in ORDER:
        for item in review.undecided:
            if item.change.tier is tier:
                return item
    return None
