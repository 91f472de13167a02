# SPDX-License-Identifier: Apache-2.0
"""Kills a flush with SIGKILL at every occurrence of one fault point, and then recovers.

    python -m tests.infra.flush.crash_matrix POINT DIRECTORY OTHER_FILE_SYSTEM

A program of its own: it forks, which a test process with threads must not. It prints one line of
JSON: by scenario, how often the point was reached and how that ended, and all that was wrong.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from typing_extensions import override

from bbox_server.domain.plan import FLUSH_PREFIX
from bbox_server.infra.workspace.flush_steps import FaultPoint, Faults
from tests.infra.flush.ground import Contents, Ground, State, everything, lay_out, state_of

USER_EDIT = b"the user saved this in the meantime\n"
Act = Callable[[], Awaitable[object]]


class Scenario(StrEnum):
    FLUSH = "flush"
    OTHER_FILE_SYSTEM = "other file system"
    UNDO = "undo"
    RACE = "edits between check and exchange"
    LATE = "edits between crash and recovery"
    BACK = "recovery that rolls back"
    FORWARD = "recovery that goes forward"


# What the user saves before a step, by how often it was reached.
RACES = {
    (FaultPoint.EXCHANGED, 0): "becomes-directory",
    (FaultPoint.EXCHANGED, 1): "d/plain",
    (FaultPoint.MOVED_ASIDE, 1): "deleted",
}

# Where the first crash is in the scenarios that kill a recovery.
CRASH = {
    Scenario.BACK: (FaultPoint.STAGES_SYNCED, 1),
    Scenario.FORWARD: (FaultPoint.RECORD_NAMED, 2),
}


@dataclass(kw_only=True)
class Killer(Faults):
    """Counts steps, kills at one of them, and lets a user interfere before others."""

    ground: Ground
    races: bool = False
    point: FaultPoint | None = None
    nth: int = 0
    step: int = 0
    counts: Counter[FaultPoint] = field(default_factory=Counter)

    @override
    def before(self, point: FaultPoint) -> None:
        name = RACES.get((point, self.counts[point])) if self.races else None
        if name is not None:
            edit(self.ground, name)

    @override
    def after(self, point: FaultPoint) -> None:
        self.counts[point] += 1
        at_point = point is self.point and self.counts[point] == self.nth
        if at_point or self.counts.total() == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def edit(ground: Ground, name: str, *, replacing: bool = False) -> None:
    """Save a file as a user does, in place or by renaming a new one over it."""
    target = ground.workspace / name
    if replacing:
        (ground.session / "saved").write_bytes(USER_EDIT)
        target.unlink()
        shutil.move(ground.session / "saved", target)
    else:
        target.write_bytes(USER_EDIT)
    (ground.session / f"edited {name.replace('/', ' ')}").touch()


@dataclass(kw_only=True)
class Matrix:
    scenario: Scenario
    directory: Path
    other: Path
    problems: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)

    def run(self, point: FaultPoint) -> int:
        final = self.undisturbed()
        nth = 0
        while self.kill(point, nth + 1, final):
            nth += 1
        return nth

    def fresh(self) -> Ground:
        far = self.scenario is Scenario.OTHER_FILE_SYSTEM
        session = (self.other if far else self.directory) / "session"
        workspace = self.directory / "workspace"
        for directory in (workspace, session):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        ground = Ground(workspace=workspace, session=session)
        lay_out(ground.workspace)
        return ground

    def undisturbed(self) -> State:
        ground = self.fresh()
        self.child(lambda: flush(ground, Killer(ground=ground)))
        if self.scenario is Scenario.UNDO:
            self.child(lambda: ground.undo(1))
        return state_of(ground.workspace)

    def prepare(self, ground: Ground) -> None:
        """What happened before the process that is killed."""
        if self.scenario is Scenario.UNDO:
            self.child(lambda: flush(ground, Killer(ground=ground)))
        if self.scenario in CRASH:
            point, nth = CRASH[self.scenario]
            self.child(lambda: flush(ground, Killer(ground=ground, point=point, nth=nth)))

    def kill(self, point: FaultPoint, nth: int, final: State) -> bool:
        """Kill at one occurrence; False where there are not that many."""
        ground = self.fresh()
        before = state_of(ground.workspace)
        self.prepare(ground)
        if self.scenario is Scenario.UNDO:
            before = state_of(ground.workspace)
        races = self.scenario is Scenario.RACE
        killer = Killer(ground=ground, races=races, point=point, nth=nth)
        if not self.child(lambda: self.act(ground, killer)):
            return False
        if self.scenario is Scenario.LATE:
            for name, replacing in (("d/plain", True), ("d/tool", False)):
                edit(ground, name, replacing=replacing)
        again = Killer(ground=ground, step=1 + nth * 2)
        self.child(lambda: ground.recover(again))
        self.child(ground.recover)
        self.judge(f"{point} {nth}", ground, before, final)
        return True

    async def act(self, ground: Ground, killer: Killer) -> None:
        if self.scenario is Scenario.UNDO:
            await ground.undo(1, killer)
        elif self.scenario in CRASH:
            await ground.recover(killer)
        else:
            await flush(ground, killer)

    def judge(self, name: str, ground: Ground, before: State, final: State) -> None:
        now = state_of(ground.workspace)
        if any(FLUSH_PREFIX in path for path in now):
            self.problems.append(f"{name}: something staged is left")
        if self.scenario in {Scenario.RACE, Scenario.LATE}:
            self.judge_edits(name, ground, (before, final, now))
            return
        ending = "forward" if now == final else "back" if now == before else "bad"
        self.endings[ending] += 1
        if ending == "bad":
            wrong = {path for path in now.keys() | final.keys() if now.get(path) != final.get(path)}
            self.problems.append(f"{name}: neither before nor after: {sorted(wrong)}")
        if ending == "forward" and self.scenario is not Scenario.UNDO:
            self.child(lambda: ground.undo(1))
            if state_of(ground.workspace) != before:
                self.problems.append(f"{name}: undo did not bring everything back")

    def judge_edits(self, name: str, ground: Ground, states: tuple[State, State, State]) -> None:
        """The user's edits are there; every other path is as before or as wanted."""
        before, final, now = states
        self.endings["edited"] += 1
        edited = {"d/plain", "d/tool", "deleted", "becomes-directory", "becomes-directory/child"}
        for path in (before.keys() | now.keys() | final.keys()) - edited:
            if now.get(path) not in {before.get(path), final.get(path)}:
                self.problems.append(f"{name}: {path} is {now.get(path)}")
        for marker in ground.session.glob("edited *"):
            path = marker.name.removeprefix("edited ").replace(" ", "/")
            if now.get(path, ("", b""))[1] != USER_EDIT:
                self.problems.append(f"{name}: the user's {path} is lost")

    def child(self, act: Act) -> bool:
        """Run in a forked process; whether it was killed."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                asyncio.run(_awaited(act))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return os.WTERMSIG(status) == signal.SIGKILL
        if os.WEXITSTATUS(status):
            self.problems.append("a process failed instead of being killed")
        return False


async def _awaited(act: Act) -> None:
    await act()


async def flush(ground: Ground, killer: Killer) -> None:
    contents = Contents()
    await ground.flush(everything(contents), contents, killer)


def main() -> None:
    point, directory, other = sys.argv[1:]
    report: dict[str, object] = {}
    for scenario in Scenario:
        matrix = Matrix(scenario=scenario, directory=Path(directory), other=Path(other))
        reached = matrix.run(FaultPoint(point))
        report[scenario] = {
            "reached": reached,
            "endings": matrix.endings,
            "problems": matrix.problems,
        }
    with suppress(BrokenPipeError):
        json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
