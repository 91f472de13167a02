# SPDX-License-Identifier: Apache-2.0
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbox_server.infra.workspace import beneath, flush_steps, metadata
from bbox_server.infra.workspace.flush_steps import FaultPoint

# What changes a disk, by the names that the flush's modules could use.
MUTATING = {
    "chmod", "chown", "fchmod", "fchown", "fsync", "fdatasync", "ftruncate", "hardlink_to",
    "lchown", "link", "makedirs", "mkdir", "mknod", "open_for_writing", "put_on", "pwrite",
    "rename", "renames", "replace_file", "remove", "removedirs", "rmdir", "rmtree", "setxattr",
    "symlink", "symlink_to", "sync", "sync_filesystem", "touch", "truncate", "unlink", "utime",
    "write", "write_all", "write_bytes", "write_text",
}  # fmt: skip

# What these do is one step as a whole, or makes a record durable that is named afterwards.
ALLOWED = {
    ("flush_journal", "fsync"): "the log of outcomes, before `done` is named",
    ("flush_originals", "fsync"): "a copy, before it is named",
    ("flush_store", "mkdir"): "the session's own directory of flushes",
}


@pytest.fixture
def memory_directory() -> Iterator[Path]:
    """On tmpfs where there is one: syncing is free there, and it is another file system."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=parent, prefix="bbox-") as directory:
        yield Path(directory)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", FaultPoint)
def test_a_flush_that_is_killed_is_whole_or_undone_after_recovery(
    point: FaultPoint, memory_directory: Path, tmp_path: Path
) -> None:
    root = Path(__file__).parents[3]
    matrix = "tests.infra.flush.crash_matrix"
    words = (sys.executable, "-m", matrix, point, str(memory_directory), str(tmp_path))
    completed = subprocess.run(words, capture_output=True, check=True, cwd=root)

    report = json.loads(completed.stdout)

    assert [problem for part in report.values() for problem in part["problems"]] == []
    reached = sum(part["reached"] for part in report.values())
    assert reached, "no scenario has this step"


def test_every_step_has_its_own_fault_point() -> None:
    tree = ast.parse(Path(flush_steps.__file__).read_text(encoding="utf-8"))
    steps = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Steps"
    )
    public = [
        node
        for node in steps.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]

    points = [_points(method) for method in public]

    assert all(len(found) == 1 for found in points)
    assert sorted(name for found in points for name in found) == sorted(
        point.name for point in FaultPoint
    )


def test_nothing_of_the_flush_writes_but_its_steps() -> None:
    package = Path(flush_steps.__file__).parent
    modules = [path for path in package.glob("flush*.py") if path.stem != "flush_steps"]

    writes = {
        (path.stem, name)
        for path in modules
        for name in _called(ast.parse(path.read_text(encoding="utf-8")))
        if name in MUTATING
    }

    assert len(modules) > 5
    assert writes - ALLOWED.keys() == set()
    assert ALLOWED.keys() - writes == set()


def test_what_the_steps_call_is_known_to_the_guard() -> None:
    for module in (beneath, metadata):
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        public = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and _called(node) & MUTATING:
                assert node.name in MUTATING or node.name.startswith("_"), public


def _points(method: ast.FunctionDef) -> set[str]:
    return {
        node.attr
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "FaultPoint"
    }


def _called(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names.add(node.func.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names.add(node.func.id)
    return names
