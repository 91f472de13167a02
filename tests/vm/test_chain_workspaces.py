# SPDX-License-Identifier: Apache-2.0
"""Workspaces of every kind: each works, or is refused before anything starts."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Bbox, make_bbox, make_repository, own_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

RUN: Final = ("run", "--image", CODEX_IMAGE)
OTHER_FILE_SYSTEM: Final = Path("/dev/shm")
SPARSE_BYTES: Final = 10 << 30

LOOK: Final = r"""
stat -c %s huge.bin; find . -type p -o -type s
cat "$(printf 'new\nline')"; git -C nested log --format=%s
git status --short --branch -uno; git log --format=%an:%s
git -c user.name=A -c user.email=a@x.invalid commit -q --allow-empty -m In-guest
git log -1 --format=%s
echo changed >tracked.txt; echo in >nested/inner.txt
printf x | dd of=huge.bin conv=notrunc bs=1 status=none
"""


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


def _absent(root: Path) -> Path:
    return root / "absent"


def _file(root: Path) -> Path:
    (root / "file").write_text("no directory\n")
    return root / "file"


def _link_to_nothing(root: Path) -> Path:
    (root / "link").symlink_to(root / "gone")
    return root / "link"


def _ignore_file_that_is_a_link(root: Path) -> Path:
    (root / ".broodboxignore").symlink_to("/etc/passwd")
    return root


def _below_a_file(root: Path) -> Path:
    return _file(root) / "sub"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (_absent, "absent"),
        (_file, "file"),
        (_link_to_nothing, "gone"),
        (_below_a_file, "sub"),
        (_ignore_file_that_is_a_link, ".broodboxignore"),
    ],
)
def test_what_can_be_no_workspace_is_refused_before_anything_starts(
    bbox: Bbox, tmp_path: Path, make: Callable[[Path], Path], name: str
) -> None:
    workspace = make(tmp_path)
    ran = bbox.run(*RUN, "--workspace", str(workspace), "--", "true", cwd=bbox.home, timeout_s=20)
    assert ran.code == 1
    assert name in ran.error
    assert "→" in ran.error  # what to do
    assert "Traceback" not in ran.error
    assert "Starting the microVM" not in ran.error


def test_an_empty_directory_behind_a_link_works(bbox: Bbox, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    ran = bbox.run(
        *RUN, "--auto-accept", "--workspace", str(link), "--", "sh", "-c", "ls -A; echo 1 >one",
        cwd=bbox.home,
    )  # fmt: skip
    assert (ran.code, ran.out.partition("\n")[0]) == (0, "Applied 1 path."), ran.error
    assert "Snapshot of 0 files" in ran.error
    assert (real / "one").read_text() == "1\n"
    assert link.is_symlink()
    assert bbox.sessions(real)[0]["workspace"] == str(real)


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A git worktree on another file system, with all that is no ordinary file."""

    workspace: Path
    out: list[str]
    error: str
    changes: list[dict[str, Any]]
    baseline_bytes: int


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    repository = tmp_path_factory.mktemp("main")
    (repository / "tracked.txt").write_text("tracked\n")
    make_repository(repository)
    place = Path(tempfile.mkdtemp(dir=OTHER_FILE_SYSTEM))
    try:
        workspace = place / "tree"
        _git(repository, "worktree", "add", "-q", "-b", "side", str(workspace))
        _fill(workspace)
        with own_bbox() as bbox:
            yield _run_in(bbox, workspace)
    finally:
        shutil.rmtree(place)


def _git(directory: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=directory, check=True, capture_output=True, text=True
    ).stdout


def _fill(workspace: Path) -> None:
    (workspace / "new\nline").write_text("of a name with a newline\n")
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workspace / "door"))
    with (workspace / "huge.bin").open("wb") as file:
        file.truncate(SPARSE_BYTES)
    (workspace / "nested").mkdir()
    (workspace / "nested/inner.txt").write_text("inner\n")
    make_repository(workspace / "nested")


def _run_in(bbox: Bbox, workspace: Path) -> Odd:
    ran = bbox.run(*RUN, "--", "sh", "-c", LOOK, cwd=workspace)
    assert ran.code == 0, ran.error
    baselines = bbox.home / "state/bbox/baselines"
    return Odd(
        workspace=workspace,
        out=ran.out.splitlines(),
        error=ran.error,
        changes=json.loads(bbox.run("diff", "--json", cwd=workspace).out)["changes"],
        baseline_bytes=sum(
            path.lstat().st_blocks * 512 for path in baselines.rglob("*") if path.is_file()
        ),
    )


def test_git_works_in_a_linked_worktree(odd: Odd) -> None:
    assert "## side" in odd.out
    assert {"User:Start", "In-guest"} <= set(odd.out)
    assert _git(odd.workspace, "status", "--short", "tracked.txt") == ""
    assert _git(odd.workspace, "log", "--format=%s", "side").split() == ["Start"]


def test_pipes_and_sockets_stay_out_and_are_told(odd: Odd) -> None:
    assert not {"./pipe", "./door"} & set(odd.out)
    assert "Not in the snapshot: pipe" in odd.error
    assert "Not in the snapshot: door" in odd.error


def test_a_sparse_file_costs_no_space_and_no_time(odd: Odd) -> None:
    assert str(SPARSE_BYTES) in odd.out
    assert odd.baseline_bytes < 16 << 20
    withheld = {change["path"]: change.get("withheld") for change in odd.changes}
    assert withheld["huge.bin"] == "tooLarge"


def test_names_with_newlines_and_nested_repositories_are_there(odd: Odd) -> None:
    assert "of a name with a newline" in odd.out
    assert "Start" in odd.out  # the nested one's commit
    changed = {change["path"]: change["kind"] for change in odd.changes if "withheld" not in change}
    assert changed == {"nested/inner.txt": "modified", "tracked.txt": "modified"}
