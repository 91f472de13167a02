# SPDX-License-Identifier: Apache-2.0
"""All that an agent can do to a workspace, and exactly the allowed part of it on the host."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Bbox, own_bbox
from tests.vm.torture.listing import Seen, list_tree
from tests.vm.torture.tree import EXCLUDED, TRACKED, make_tree

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]

TORTURE: Final = Path(__file__).parent / "torture"
IN_GUEST: Final = 'bash -c "$1"; exec python3 -c "$2" .'

# Path, or directory for all that is in it, and why it stays where it is.
WITHHELD: Final = {
    ".git": "gitInternal",
    "bare/repo.git": "gitInternal",
    "newrepo/.git": "gitInternal",
    "third/repo/.git": "gitInternal",
    ".env": "secret",
    ".envrc": "secret",
    "agent.pem": "secret",
    "dist": "excluded",
    "node_modules": "excluded",
    "evil_absolute": "leavesWorkspace",
    "evil_relative": "leavesWorkspace",
    "evil_root": "leavesWorkspace",
    "fifo1": "specialFile",
    "socket1": "specialFile",
}
EXECUTES: Final = {
    ".vscode/settings.json", ".exrc", ".claude/settings.json", ".husky/pre-commit",
}  # fmt: skip
BUILD_FILES: Final = {"Makefile", "package.json"}
FETCHED: Final = re.compile(r"(^|/)\.git/(objects/|refs/bbox(/|$))")


@dataclass(frozen=True, kw_only=True)
class Tortured:
    """A workspace before, as the guest left it, and after everything allowed was flushed."""

    workspace: Path
    before: dict[str, Seen]
    stats_before: dict[str, tuple[int, ...]]
    guest: dict[str, Seen]
    guest_errors: str
    changes: list[dict[str, Any]]
    bulk_note: str
    after: dict[str, Seen]
    left: list[dict[str, Any]]


@pytest.fixture(scope="module")
def tortured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tortured]:
    workspace = tmp_path_factory.mktemp("torture") / "work"
    make_tree(workspace)
    with own_bbox() as bbox:
        yield _torture(bbox, workspace)


def _torture(bbox: Bbox, workspace: Path) -> Tortured:
    before, stats_before = list_tree(str(workspace)), _stats(workspace)
    script, listing = ((TORTURE / name).read_text() for name in ("changes.sh", "listing.py"))
    ran = bbox.run(
        "run", "--image", CODEX_IMAGE, "--", "sh", "-c", IN_GUEST, "sh", script, listing,
        cwd=workspace,
    )  # fmt: skip
    assert ran.code == 0, ran.error
    assert list_tree(str(workspace)) == before
    assert _stats(workspace) == stats_before
    changes = json.loads(bbox.run("review", "--json", cwd=workspace).out)["changes"]
    accepted = bbox.run("review", "--accept-all", "--build-files", cwd=workspace)
    assert accepted.code == 0, accepted.error
    for path in sorted(EXECUTES):
        alone = bbox.run("review", "--accept", path, cwd=workspace)
        assert alone.code == 0, alone.error
    flushed = bbox.run("flush", cwd=workspace)
    assert flushed.code == 0, flushed.out + flushed.error
    left = json.loads(bbox.run("diff", "--json", cwd=workspace).out)["changes"]
    return Tortured(
        workspace=workspace,
        before=before,
        stats_before=stats_before,
        guest={path: (seen[0], seen[1], seen[2]) for path, seen in json.loads(ran.out).items()},
        guest_errors=ran.error,
        changes=changes,
        bulk_note=accepted.error,
        after=list_tree(str(workspace)),
        left=left,
    )


def _stats(root: Path) -> dict[str, tuple[int, ...]]:
    """What a write of any kind changes: inode, mode, times (a directory's times are its names')."""
    found = {}
    for path in list_tree(str(root)):
        status = os.lstat(root / path)
        times = (status.st_mtime_ns, status.st_ctime_ns) if not (root / path).is_dir() else ()
        found[path] = (status.st_ino, status.st_mode, status.st_uid, *times)
    return found


def _is_withheld(path: str) -> bool:
    tops = (*WITHHELD, *EXCLUDED)
    return path != TRACKED and any(path == top or path.startswith(f"{top}/") for top in tops)


def test_every_step_works_in_the_guest_and_hidden_paths_are_not_there(tortured: Tortured) -> None:
    steps = [line for line in tortured.guest_errors.splitlines() if "STEP FAILED" in line]
    assert steps == []
    assert "END" in tortured.guest_errors
    assert len(tortured.guest) > 150
    assert not set(EXCLUDED) & set(tortured.guest) - {".env"}  # the agent made one of its own


def test_the_workspace_is_what_the_guest_saw_but_for_what_is_withheld(tortured: Tortured) -> None:
    expected = {path: seen for path, seen in tortured.guest.items() if not _is_withheld(path)}
    expected |= {path: seen for path, seen in tortured.before.items() if _is_withheld(path)}
    # A directory that holds nothing but withheld things is a part of them.
    parents = {"bare", "node_modules"} - {path.split("/")[0] for path in tortured.before}
    expected = {path: seen for path, seen in expected.items() if path not in parents}
    different = {
        path: (expected.get(path), tortured.after.get(path))
        for path in sorted({*expected, *tortured.after})
        if expected.get(path) != tortured.after.get(path)
    }
    # Of git's own files only what a fetch adds: the agent's commits, under a ref of ours.
    fetched = {path for path in different if FETCHED.search(path)}
    assert different.keys() - fetched == set()
    assert not fetched & tortured.before.keys()


def test_the_agents_commits_are_under_a_ref_of_ours(tortured: Tortured) -> None:
    for repository in ("", "third/repo/"):
        ref = re.compile(rf"{repository}\.git/refs/bbox/[0-9a-f]{{8}}/.+")
        assert any(ref.fullmatch(path) for path in tortured.after), repository


def test_what_is_withheld_is_listed_with_its_reason(tortured: Tortured) -> None:
    listed = {
        change["path"]: change["withheld"] for change in tortured.changes if "withheld" in change
    }
    assert listed == WITHHELD
    left = {change["path"] for change in tortured.left}
    assert left == set(WITHHELD)


def test_what_runs_on_the_host_is_told_apart(tortured: Tortured) -> None:
    tiers = {change["path"]: change["tier"] for change in tortured.changes}
    assert {path for path, tier in tiers.items() if tier == "executesOnHost"} == EXECUTES
    assert {path for path, tier in tiers.items() if tier == "buildFile"} == BUILD_FILES
    assert all(path in tortured.bulk_note for path in EXECUTES)


def test_nothing_gets_more_rights_than_execution(tortured: Tortured) -> None:
    modes = {path: os.lstat(tortured.workspace / path).st_mode for path in tortured.after}
    assert {path for path, mode in modes.items() if mode & 0o7000} == set()
    assert modes["suid"] & 0o111
    assert not modes["exec.sh"] & 0o111


def test_what_the_agent_left_alone_is_not_touched(tortured: Tortured) -> None:
    same = {
        path
        for path, seen in tortured.after.items()
        if seen == tortured.before.get(path) and seen[0] != "directory"
    } - {"hlx_b"}  # it lost its other name: the kernel notes that
    stats = _stats(tortured.workspace)
    assert {path for path in same if stats[path] != tortured.stats_before[path]} == set()
    assert len(same) > 30
