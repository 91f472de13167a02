# SPDX-License-Identifier: Apache-2.0
"""git's own answer is the measure of the user's patterns (compat P-68)."""

import os
import subprocess
import time
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.excludes import HideTier, PatternLine, hiding_rule
from bbox_server.infra.excludes.ruleset import Ruleset
from bbox_server.infra.excludes.wildmatch import compile_line

NAMES = ["a", "b", "c", "x", "ab", "abc", "é", "a b", "a\\b", "[a]", "a]", "-", "!a", "#a", "a "]
DIRECTORIES = ["a", "b", "a/b", "a/b/c", "b/a", "x", "é", "a b", "c/x/a"]
PIECES = st.sampled_from(
    [
        *["a", "b", "c", "x", "/", "/", "*", "**", "**/", "/**", "?", " ", "\t", "é", "#", "!"],
        *["[a-c]", "[!a]", "[^b", "[[:alpha:]]", "[]a]", "[a", "]", "-", "\\", "\\*"],
        *["+", "(", "|", "{", "$", "."],
    ]
)
LINES = st.tuples(
    st.sampled_from(["", "", "", "!"]), st.lists(PIECES, min_size=1, max_size=7).map("".join)
).map("".join)


class Repository:
    """A tree of many names, and git's opinion of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run(("git", "init", "-q", str(path)), check=True)
        for directory in DIRECTORIES:
            (path / directory).mkdir(parents=True, exist_ok=True)
        for directory in ["", *DIRECTORIES]:
            for name in NAMES:
                place = path / directory / name
                if not place.is_dir():
                    place.touch()
        self.paths = {
            str(each.relative_to(path)): each.is_dir()
            for each in path.rglob("*")
            if ".git" not in each.parts
        }

    def ignored(self, lines: list[str]) -> set[str]:
        (self.path / ".gitignore").write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            ("git", "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"),
            cwd=self.path,
            input=b"".join(os.fsencode(path) + b"\0" for path in self.paths),
            capture_output=True,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"},
            check=False,
        )
        fields = done.stdout.split(b"\0")
        answers = zip(*(fields[offset:-1:4] for offset in range(4)), strict=True)
        return {
            os.fsdecode(path)
            for source, _, pattern, path in answers
            if source and not pattern.startswith(b"!")
        }


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("ignored"))


def hidden(repository: Repository, lines: list[str]) -> set[str]:
    rules = Ruleset([(HideTier.USER, PatternLine(text=line)) for line in lines])
    return {
        path
        for path, is_directory in repository.paths.items()
        if hiding_rule(rules, PurePosixPath(path), is_directory=is_directory)
    }


@pytest.mark.timeout(120)
@settings(max_examples=100, deadline=None)
@given(lines=st.lists(LINES, min_size=1, max_size=5))
def test_patterns_mean_what_they_mean_to_git(repository: Repository, lines: list[str]) -> None:
    assert hidden(repository, lines) == repository.ignored(lines)


@pytest.mark.parametrize(
    "lines",
    [
        ["a/"],
        ["/a"],
        ["a/b"],
        ["**/b"],
        ["a/**"],
        ["a/**/c"],
        ["*", "!a", "!a/b"],
        ["a", "!a/b"],
        ["a/*", "!a/b"],
        ["a**b/c"],
        ["trail   "],
        ["a\\ "],
        ["\\#a"],
        ["\\!a"],
        ["[[:nonsense:]]"],
        ["a\\"],
        ["/"],
        ["//"],
        ["!"],
        ["?"],
        ["??"],
        ["\ta"],
    ],
)
def test_corners_of_the_syntax(repository: Repository, lines: list[str]) -> None:
    assert hidden(repository, lines) == repository.ignored(lines)


@pytest.mark.parametrize("line", ["", "   ", "# note", "#", "\r"])
def test_blank_lines_and_comments_are_no_patterns(line: str) -> None:
    assert compile_line(line) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("*a" * 60 + "b", "a" * 250),
        ("**/" * 40 + "b", "a/" * 200 + "a"),
        ("[a-z]*" * 50, "a" * 255),
    ],
)
def test_no_pattern_takes_long(line: str, name: str) -> None:
    pattern = compile_line(line)
    assert pattern is not None
    started = time.perf_counter()
    pattern.expression.fullmatch(name)
    assert time.perf_counter() - started < 0.5


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_none(line: str) -> None:
    pattern = compile_line(line)
    assert pattern is None or pattern.line == line
