# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import ExcludeRules, Hidden, HideTier, hiding_rule
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.excludes.reader import SIZE_LIMIT_BYTES


def load(workspace: Path, *extra: str) -> ExcludeRules:
    return DiskExcludes().load(HostPath(str(workspace)), extra)


def rule(rules: ExcludeRules, path: str, *, diff: bool = False) -> Hidden | None:
    excludes = DiskExcludes()
    matcher = excludes.diff_matcher(rules) if diff else excludes.snapshot_matcher(rules)
    return hiding_rule(matcher, PurePosixPath(path), is_directory=False)


def test_a_workspace_without_files_has_the_built_in_rules(tmp_path: Path) -> None:
    assert load(tmp_path) == ExcludeRules()


def test_patterns_are_read_from_the_file_and_the_command_line(tmp_path: Path) -> None:
    (tmp_path / ".broodboxignore").write_bytes(b"\xef\xbb\xbf# note\r\n *.tmp \r\n\r\n!vendor/\n")
    rules = load(tmp_path, "docs/", " ")
    assert (rules.file_patterns, rules.extra_patterns) == (("*.tmp", "!vendor/"), ("docs/",))


def test_the_rule_that_hides_is_named(tmp_path: Path) -> None:
    rules = load(tmp_path, "*.tmp")
    found = [rule(rules, path) for path in ("a/x.tmp", "dist/x", "keys/.SSH/x", "a")]
    assert found == [
        Hidden(tier=HideTier.USER, pattern="*.tmp"),
        Hidden(tier=HideTier.PERFORMANCE, pattern="dist/"),
        Hidden(tier=HideTier.SECURITY, pattern=".ssh/"),
        None,
    ]


def test_a_negated_security_pattern_is_dropped_and_said(tmp_path: Path) -> None:
    (tmp_path / ".broodboxignore").write_text("!.env*\nkeep\n")
    rules = load(tmp_path)
    assert rules.file_patterns == ("keep",)
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
    assert found == [None, Hidden(tier=HideTier.GITIGNORE, pattern="*.o")]


def make(path: Path, how: str) -> None:
    match how:
        case "link":
            path.symlink_to("/etc/hostname")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "large":
            path.write_bytes(b"#" * (SIZE_LIMIT_BYTES + 1))
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
