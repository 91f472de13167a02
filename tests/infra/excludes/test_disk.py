# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import (
    IGNORE_FILE_LIMIT_BYTES,
    ExcludeRules,
    Hidden,
    HideTier,
    PatternLine,
    hiding_rule,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes


def load(workspace: Path, *extra: str) -> ExcludeRules:
    return DiskExcludes().load(HostPath(str(workspace)), extra)


def rule(
    rules: ExcludeRules, path: str, *, diff: bool = False, files: dict[str, bytes] | None = None
) -> Hidden | None:
    excludes = DiskExcludes()
    matcher = excludes.snapshot_matcher(rules)
    if diff:
        matcher = excludes.diff_matcher(rules, lambda asked: (files or {}).get(str(asked)))
    return hiding_rule(matcher, PurePosixPath(path), is_directory=False)


def test_a_workspace_without_files_has_the_built_in_rules(tmp_path: Path) -> None:
    assert load(tmp_path) == ExcludeRules()


def test_patterns_are_read_from_the_file_and_the_command_line(tmp_path: Path) -> None:
    (tmp_path / ".broodboxignore").write_bytes(b"\xef\xbb\xbf# note\r\n *.tmp \r\n\r\n!vendor/\n")
    rules = load(tmp_path, "docs/", " ")
    assert rules.file_patterns == (
        PatternLine(text="*.tmp", source=".broodboxignore", number=2),
        PatternLine(text="!vendor/", source=".broodboxignore", number=4),
    )
    assert rules.extra_patterns == (PatternLine(text="docs/", source="--exclude"),)


def test_the_rule_that_hides_is_named(tmp_path: Path) -> None:
    rules = load(tmp_path, "*.tmp")
    found = [rule(rules, path) for path in ("a/x.tmp", "dist/x", "keys/.SSH/x", "a")]
    assert found == [
        Hidden(tier=HideTier.USER, pattern="*.tmp", source="--exclude"),
        Hidden(tier=HideTier.PERFORMANCE, pattern="dist/"),
        Hidden(tier=HideTier.SECURITY, pattern=".ssh/"),
        None,
    ]


def test_a_negated_security_pattern_is_dropped_and_said(tmp_path: Path) -> None:
    (tmp_path / ".broodboxignore").write_text("!.env*\nkeep\n")
    rules = load(tmp_path)
    assert [line.text for line in rules.file_patterns] == ["keep"]
    assert rules.warnings == (".broodboxignore: !.env* has no effect",)


@pytest.mark.parametrize("pattern", ["!.env", "!*", "!/**", "!.env*", "!**/.env"])
def test_nothing_negates_the_security_tier(tmp_path: Path, pattern: str) -> None:
    (tmp_path / ".gitignore").write_text(f"{pattern}\n")
    rules = load(tmp_path, pattern)
    assert rule(rules, ".env") is not None
    assert rule(rules, ".env", diff=True) is not None


@pytest.mark.parametrize("pattern", ["!vendor/", "!*", "!important.log", "!/data"])
def test_no_line_of_gitignore_shows_what_the_snapshot_left_out(
    tmp_path: Path, pattern: str
) -> None:
    (tmp_path / ".gitignore").write_text(f"{pattern}\n")
    rules = load(tmp_path, "*.log", "/data")
    paths = ("vendor/a", "important.log", "data/a")
    assert [rule(rules, path, diff=True) for path in paths] == [rule(rules, path) for path in paths]


def test_gitignore_counts_for_the_diff_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.o\n")
    rules = load(tmp_path)
    found = [rule(rules, "a.o"), rule(rules, "a.o", diff=True)]
    hidden = Hidden(tier=HideTier.GITIGNORE, pattern="*.o", source=".gitignore", number=1)
    assert found == [None, hidden]


def test_gits_own_exclude_file_counts_before_the_root_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("*.o\n*.log\n")
    (tmp_path / ".gitignore").write_text("!keep.o\n")
    rules = load(tmp_path)
    assert rule(rules, "keep.o", diff=True) is None
    assert rule(rules, "a.log", diff=True) == Hidden(
        tier=HideTier.GITIGNORE, pattern="*.log", source=".git/info/exclude", number=2
    )


def test_a_work_trees_git_file_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    assert load(tmp_path).warnings == ()


def test_the_nearest_gitignore_that_matches_decides(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.o\n")
    files = {"a/.gitignore": b"!*.o\n/x\n", "a/b/.gitignore": b"y.o\n"}
    paths = ("c/z.o", "a/z.o", "a/b/y.o", "a/x", "a/b/x")
    found = [rule(load(tmp_path), path, diff=True, files=files) for path in paths]
    assert [each and (each.source, each.number) for each in found] == [
        (".gitignore", 1),
        None,
        ("a/b/.gitignore", 1),
        ("a/.gitignore", 2),
        None,
    ]


def test_a_nested_gitignore_shows_nothing_in_a_hidden_directory(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("a/\n")
    assert rule(load(tmp_path), "a/x", diff=True, files={"a/.gitignore": b"!x\n"}) is not None


def test_a_nested_gitignore_of_too_many_lines_counts_as_absent(tmp_path: Path) -> None:
    files = {"a/.gitignore": b"x\n" * 10_001}
    assert rule(load(tmp_path), "a/x", diff=True, files=files) is None


def make(path: Path, how: str) -> None:
    match how:
        case "link":
            path.symlink_to("/etc/hostname")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "large":
            path.write_bytes(b"#" * (IGNORE_FILE_LIMIT_BYTES + 1))
        case "many":
            path.write_bytes(b"a\n" * 10_001)
        case _:
            raise AssertionError(how)


UNUSABLE = ["link", "fifo", "directory", "large", "many"]


@pytest.mark.parametrize("how", UNUSABLE)
def test_an_unusable_ignore_file_is_refused(tmp_path: Path, how: str) -> None:
    make(tmp_path / ".broodboxignore", how)
    with pytest.raises(BboxError) as caught:
        load(tmp_path)
    assert caught.value.code is ErrorCode.EXCLUDE_INVALID


@pytest.mark.parametrize("how", UNUSABLE)
def test_an_unusable_gitignore_is_not_used_and_said(tmp_path: Path, how: str) -> None:
    make(tmp_path / ".gitignore", how)
    rules = load(tmp_path)
    assert rules.gitignore_patterns == ()
    assert rules.warnings[0].startswith(".gitignore is not used: ")


def test_bytes_that_are_no_utf8_are_patterns(tmp_path: Path) -> None:
    (tmp_path / ".broodboxignore").write_bytes(b"bad\xff*\n")
    assert rule(load(tmp_path), os.fsdecode(b"bad\xff\xfe")) is not None
