# SPDX-License-Identifier: Apache-2.0
"""The walk that applies the excludes, beside a plain walk of the same tree in the same run.

`python -m bench.excludes [FILES]`: a source tree, then the same tree with as many files again in
excluded directories, which must cost nothing. Medians of rounds that take turns.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bbox_server.domain.excludes import ExcludeRules, PatternLine
from bbox_server.infra.excludes.matcher import snapshot_matcher
from bbox_server.infra.workspace.taking import uncollected
from bbox_server.infra.workspace.walk import WalkResult, WorkspaceWalk

FILES: Final = 50_000
ROUNDS: Final = 5
FILES_IN_A_DIRECTORY: Final = 40
# As a project has them: names, suffixes, anchored paths and a negation.
PATTERNS: Final = (
    *("*.log", "*.tmp", "/out/", "docs/_build/", "**/cache/*.bin", "coverage*", "!coverage.md"),
    *("*.sw[a-p]", "tmp-?", ".idea/", "/a/b/c", "*.py[co]"),
)


def make_tree(root: Path, directories: range, above: str = "") -> None:
    for number in directories:
        place = root / f"p{number // 100}" / above / f"d{number}"
        place.mkdir(parents=True)
        for index in range(FILES_IN_A_DIRECTORY):
            (place / f"f{index}.py").touch()


def plain_walk(root: Path) -> int:
    """Look at everything, as a program that knows no rules would."""
    count = 0
    for _, _, files, directory_fd in os.fwalk(root):
        for name in files:
            os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
            count += 1
    return count


def excluding_walk(root: Path, known: WalkResult | None = None) -> WalkResult:
    lines = tuple(PatternLine(text=text) for text in PATTERNS)
    matcher = snapshot_matcher(ExcludeRules(file_patterns=lines))
    root_fd = os.open(root, os.O_RDONLY)
    try:
        with uncollected():
            walk = WorkspaceWalk(known=known.tree if known else None)
            return walk.run(root_fd, matcher)
    finally:
        os.close(root_fd)


def seconds_of(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def show(name: str, seconds: float, plain: float) -> None:
    print(f"{name:<42} {seconds:8.3f} s   {seconds / plain:5.2f} x the plain walk")


def measure(root: Path) -> None:
    known = excluding_walk(root)
    plain, first, again = [], [], []
    for _ in range(ROUNDS):
        plain.append(seconds_of(lambda: plain_walk(root)))
        first.append(seconds_of(lambda: excluding_walk(root)))
        again.append(seconds_of(lambda: excluding_walk(root, known)))
    base = statistics.median(plain)
    show("plain walk", base, base)
    show("with the excludes, first time", statistics.median(first), base)
    show("with the excludes, unchanged since", statistics.median(again), base)


def main(files: int) -> None:
    directories = range(files // FILES_IN_A_DIRECTORY)
    print(f"{files} files, median of {ROUNDS}")
    with tempfile.TemporaryDirectory(prefix="bbox-bench-") as name:
        root = Path(name)
        make_tree(root, directories)
        measure(root)
        make_tree(root, directories, "node_modules")
        print(f"{files} more in node_modules")
        measure(root)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FILES)
