# SPDX-License-Identifier: Apache-2.0
"""Thousands of ignore files in one question to git: which line of which file decides (P-68)."""

import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.infra.excludes.gitignore import GitIgnores, gitignore_rules

CASES = 2_000
FILES = ("a", "b", "x.c", "é", "a b", "[a]", "d/a", "d/x.c", "d/e/b", "e/a")
PATHS = (*FILES, "d", "d/e", "e")
PIECES = (
    *["a", "b", "d", "e", "x.c", "/", "/", "*", "**", "**/", "/**", "?", " ", "\t", "é", "#", "!"],
    *["[a-c]", "[!a]", "[^b", "[[:alpha:]]", "[]a]", "[a", "]", "-", "\\", "\\*"],
    *["+", "(", "|", "{", "$", "."],
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The file and line that hide a path; empty where none does."""

    source: str = ""
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Cases:
    """The content of every ignore file, and git's verdict on every path."""

    files: dict[str, bytes]
    git: dict[str, Verdict]


def some_lines(chance: random.Random) -> bytes:
    lines = [
        chance.choice(["", "", "", "!"]) + "".join(chance.choices(PIECES, k=chance.randint(1, 6)))
        for _ in range(chance.randint(1, 5))
    ]
    return "\n".join(lines).encode() + b"\n"


def make_case(root: Path, case: int, chance: random.Random) -> dict[str, bytes]:
    (root / f"{case}/d/e").mkdir(parents=True)
    (root / f"{case}/e").mkdir()
    files = {f"{case}/.gitignore": some_lines(chance)}
    for directory in ("d", "d/e"):
        if chance.random() < 0.3:
            files[f"{case}/{directory}/.gitignore"] = some_lines(chance)
    for name, content in (files | dict.fromkeys([f"{case}/{each}" for each in FILES], b"")).items():
        (root / name).write_bytes(content)
    return files


def ask_git(root: Path) -> dict[str, Verdict]:
    paths = [f"{case}/{path}" for case in range(CASES) for path in PATHS]
    done = subprocess.run(
        ("git", "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"),
        cwd=root,
        input=b"".join(os.fsencode(path) + b"\0" for path in paths),
        capture_output=True,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"},
        check=False,
    )
    fields = [os.fsdecode(field) for field in done.stdout.split(b"\0")]
    return {
        # git names a negation that made a path visible, too.
        path: Verdict() if pattern[:1] in ("", "!") else Verdict(source=source, number=int(number))
        for source, number, pattern, path in zip(
            *(fields[offset:-1:4] for offset in range(4)), strict=True
        )
    }


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    root = tmp_path_factory.mktemp("against-git")
    subprocess.run(("git", "init", "-q", str(root)), check=True)
    chance = random.Random(20261125)  # noqa: S311 (the same cases each time)
    files: dict[str, bytes] = {}
    for case in range(CASES):
        files |= make_case(root, case, chance)
    return Cases(files=files, git=ask_git(root))


def deciding(ignores: GitIgnores, path: str) -> Verdict:
    *directories, name = PurePosixPath(path).parts
    for directory in directories:
        hidden = ignores.hidden(directory, is_directory=True)
        if hidden is not None:
            return Verdict(source=hidden.source, number=hidden.number)
        ignores = ignores.below(directory)
    hidden = ignores.hidden(name, is_directory=name in {"d", "e"})
    return Verdict() if hidden is None else Verdict(source=hidden.source, number=hidden.number)


@pytest.mark.timeout(120)
def test_the_same_line_decides_as_for_git(cases: Cases) -> None:
    ignores = GitIgnores((gitignore_rules(()),), lambda path: cases.files.get(str(path)))
    found = {path: deciding(ignores, path) for path in cases.git}
    differing = {path: each for path, each in found.items() if each != cases.git[path]}
    assert len(cases.git) == CASES * len(PATHS)
    assert differing == {}
