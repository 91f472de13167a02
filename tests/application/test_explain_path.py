# SPDX-License-Identifier: Apache-2.0
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.application.explain_path import GIT_DIRECTORY, ExcludeOptions, ExplainPath
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.excludes import Hidden, HideTier
from bbox_server.domain.explanation import Explanation
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from tests.fakes.agent import FakeAgentRegistry
from tests.fakes.config import MemoryConfigFiles, MemoryTrust
from tests.fakes.explanation import MemoryPaths
from tests.unit.config.configs import user

PERFORMANCE = Hidden(tier=HideTier.PERFORMANCE, pattern="vendor/")
CONFIG = Hidden(tier=HideTier.USER, pattern="*.cfg", source="review.exclude_patterns")
USER = Hidden(tier=HideTier.USER, pattern="*.tmp", source="--exclude")
IGNORED = Hidden(tier=HideTier.GITIGNORE, pattern="*.o", source="sub/.gitignore", number=1)


async def explain(tmp_path: Path, path: str) -> Explanation:
    paths = MemoryPaths(
        files={"sub/.gitignore": b"*.o\n", "vendor/old": b"", "sub/old.o": b"", "old.tmp": b""},
        tracked={"vendor/old", "sub/old.o", "old.tmp"},
    )
    configs = ResolveConfig(
        files=MemoryConfigFiles(mine=user("review: {exclude_patterns: [' ', '*.cfg']}")),
        trust=MemoryTrust(),
        built_in=FakeAgentRegistry(),
    )
    ask = ExplainPath(excludes=DiskExcludes(), paths=lambda _workspace: paths, configs=configs)
    asked = ExcludeOptions(patterns=("*.tmp",))
    return await ask(HostPath(str(tmp_path)), PurePosixPath(path), asked)


@pytest.mark.parametrize(
    ("path", "hidden", "withheld"),
    [
        ("src/main.c", None, None),
        ("a.tmp", USER, USER),
        ("a.cfg", CONFIG, CONFIG),
        ("vendor/new", PERFORMANCE, PERFORMANCE),
        ("sub/new.o", None, IGNORED),
        (".git/config", None, GIT_DIRECTORY),
        ("sub/.git", None, GIT_DIRECTORY),
    ],
)
async def test_the_rule_of_the_snapshot_and_of_the_diff_are_named(
    tmp_path: Path, path: str, hidden: Hidden | None, withheld: Hidden | None
) -> None:
    found = await explain(tmp_path, path)
    assert (found.hidden, found.withheld) == (hidden, withheld)


@pytest.mark.parametrize("path", ["vendor/old", "sub/old.o", "vendor"])
async def test_what_git_tracks_is_in_the_guest_and_its_changes_are_shown(
    tmp_path: Path, path: str
) -> None:
    found = await explain(tmp_path, path)
    assert (found.hidden, found.withheld, found.tracked) == (None, None, True)


async def test_the_users_own_pattern_hides_what_git_tracks(tmp_path: Path) -> None:
    found = await explain(tmp_path, "old.tmp")
    assert (found.hidden, found.withheld, found.tracked) == (USER, USER, True)


async def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("!.env\n")
    found = await explain(tmp_path, "a/.ENV")
    assert found.hidden == Hidden(tier=HideTier.SECURITY, pattern=".env*")
