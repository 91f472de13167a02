# SPDX-License-Identifier: Apache-2.0
"""Flushes of one change to a workspace on a disk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # YAML: each case knows its own shape

from bbox_server.application.flush_changes import FlushChanges
from bbox_server.application.plan_flush import PlanFlush
from bbox_server.application.review_changes import ReviewChanges
from bbox_server.domain.decision import Decision
from bbox_server.domain.error import BboxError
from bbox_server.domain.plan import FlushPlan, SkipReason
from bbox_server.domain.review import Verdict
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.flusher import DiskFlusher
from bbox_server.infra.workspace.present import DiskWorkspace
from tests.fakes.diff import PlainDiffer
from tests.fakes.overlay import MemoryOverlay, Node, tree
from tests.fakes.review import MemoryReviews
from tests.vectors.case import Case
from tests.vectors.trees import directory, lay_out, read_back

Files = dict[str, bytes | Node]
OLD, NEW = b"old\n", b"new\n"


@dataclass(kw_only=True)
class Scene:
    """What the agent was given and made of it, and the workspace now."""

    baseline: Files
    agent: Files
    workspace: Mapping[str, Any]
    changes_late: tuple[str, ...] = ()
    path: str = "a"


async def answer(case: Case) -> dict[str, object]:
    scene = _scene(case)
    with directory() as root:
        workspace = root / "workspace"
        workspace.mkdir()
        lay_out(workspace, scene.workspace)
        found = await _flush(scene, root)
        target = workspace / scene.path
        if target.is_file() and not target.is_symlink():
            found["mode"] = f"0{target.stat().st_mode & 0o7777:o}"
        found["original"] = read_back(workspace)
        found["empty_dir_kept"] = (workspace / scene.path).parent.is_dir()
        return found


def _scene(case: Case) -> Scene:
    question = case.input
    if "accepted" in question:
        return _several(question["accepted"])
    workspace = question.get("original", {})
    snapshot = _files(question.get("snapshot", {}))
    path = question.get("path") or next(iter({**snapshot, **workspace}), "a")
    if "mode_snapshot" in question:
        mode = int(question["mode_snapshot"], 8)
        agent = Node(content=NEW, mode=mode)
        return Scene(
            baseline={path: OLD},
            agent={path: agent},
            workspace={path: {"content": "old\n", "mode": question["mode_original"]}},
        )
    if "mode" in question:
        mode = int(question["mode"], 8)
        return Scene(baseline={}, agent={path: Node(content=NEW, mode=mode)}, workspace={})
    if question.get("leaves_empty_dir"):
        kept: Files = {"d": Node()}
        return Scene(
            baseline={"d/a": OLD, **kept}, agent=kept, workspace={"d/a": "old\n"}, path="d/a"
        )
    return _plain(case, path, workspace, snapshot)


def _plain(case: Case, path: str, workspace: Mapping[str, Any], snapshot: Files) -> Scene:
    """The reference knows a hash; when it is to fail, the baseline was something else."""
    is_error = "error" in case.expect
    match case.input.get("change"):
        case "deleted":
            was = OLD if is_error or path not in workspace else _bytes(workspace[path])
            return Scene(baseline={path: was}, agent={}, workspace=workspace, path=path)
        case "modified" if case.input.get("snapshot_changed_after_diff"):
            late = (path,)
            now = {path: "old\n"}
            return Scene(baseline={path: OLD}, agent={path: NEW}, workspace=now, changes_late=late)
        case "modified":
            baseline = {name: _bytes(what) for name, what in workspace.items()}
            return Scene(baseline=dict(baseline), agent=snapshot, workspace=workspace, path=path)
        case "added":
            return Scene(baseline={}, agent=snapshot, workspace=workspace, path=path)
        case _:
            agent = snapshot or {path: NEW}
            is_new = "/" in path or path in snapshot
            baseline = {} if is_new else {path: OLD}
            return Scene(baseline=dict(baseline), agent=agent, workspace=workspace, path=path)


def _several(words: list[str]) -> Scene:
    """`a(ok)`, or with what is wrong with it."""
    pairs = dict(re.findall(r"(\w+)\(([^)]*)\)", " ".join(words)))
    stale = tuple(name for name, state in pairs.items() if state != "ok")
    return Scene(
        baseline=dict.fromkeys(pairs, OLD),
        agent=dict.fromkeys(pairs, NEW),
        workspace={name: "someone else's\n" if name in stale else "old\n" for name in pairs},
    )


async def _flush(scene: Scene, root: Path) -> dict[str, object]:
    overlay = MemoryOverlay(baseline=tree(scene.baseline), agent=tree(scene.agent))
    reviews, differ = MemoryReviews(), PlainDiffer()
    review = ReviewChanges(overlay=overlay, differ=differ, reviews=reviews)
    workspace = HostPath(str(root / "workspace"))
    files = DiskWorkspace(workspace=workspace)
    flush = FlushChanges(
        planning=PlanFlush(review=review, files=files, differ=differ),
        flusher=DiskFlusher(
            workspace=workspace,
            journals=HostPath(str(root / "flush")),
            lock=HostPath(str(root / "lock")),
            session=SessionId("00000001"),
        ),
    )
    for item in (await review.list()).flushable:
        await review.decide([Decision(change=item.change.id, verdict=Verdict.ACCEPTED)])
    plan = await flush.plan()
    overlay.agent |= tree(dict.fromkeys(scene.changes_late, b"changed after the review\n"))
    return await _outcome(flush, plan)


async def _outcome(flush: FlushChanges, plan: FlushPlan) -> dict[str, object]:
    try:
        report = await flush(plan.hash)
    except BboxError as error:
        return {"error": error.cause}
    wrong = [str(conflict.path) for conflict in plan.conflicts]
    wrong += [str(s.path) for s in plan.skipped if s.reason is not SkipReason.ALREADY_THERE]
    wrong += [str(result.path) for result in report.failed]
    found: dict[str, object] = {"applied": [str(result.path) for result in report.applied]}
    return found | ({"error": " ".join(wrong)} if wrong else {"ok": True})


def _files(files: Mapping[str, Any]) -> Files:
    return {name: _node(what) for name, what in files.items()}


def _node(what: object) -> bytes | Node:
    match what:
        case {"symlink": str(target)}:
            return Node(target=target)
        case _:
            return _bytes(what)


def _bytes(what: object) -> bytes:
    return str(what).encode()
