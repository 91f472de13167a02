# SPDX-License-Identifier: Apache-2.0
"""Linked worktrees and submodules in a snapshot (compat GIT-08, P-11)."""

from pathlib import Path

import pytest

from bbox_server.domain.snapshot import Snapshot
from tests.infra.workspace.ground import Ground, at, git, names

FILE_PROTOCOL = ("-c", "protocol.file.allow=always")


def make_main(ground: Ground) -> Path:
    """A repository beside the workspace, whose place is free for a worktree."""
    main = ground.directory / "main"
    main.mkdir()
    git(main, "init", "-q", "-b", "main")
    (main / "vendor").mkdir()
    (main / "vendor/a").write_text("a\n")
    (main / ".env").write_text("A=1\n")
    git(main, "add", "-A", "-f")
    git(main, "commit", "-q", "-m", "first")
    git(main, "config", "remote.origin.url", "https://me:token@example.org/r.git")
    ground.workspace.rmdir()
    return main


def make_library(ground: Ground) -> Path:
    library = ground.directory / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    (library / "code").write_text("code\n")
    git(library, "add", "-A")
    git(library, "commit", "-q", "-m", "library")
    return library


def commit_in(snapshot: Snapshot, directory: str = "") -> str:
    """Work as an agent would; gives the log of HEAD."""
    place = at(snapshot, directory)
    (place / "new").write_text("new\n")
    git(place, "add", "new")
    git(place, "commit", "-q", "-m", "agent")
    return git(place, "log", "--format=%s")


@pytest.fixture
def main(ground: Ground) -> Path:
    main = make_main(ground)
    git(main, "worktree", "add", "-q", "-b", "side", str(ground.workspace))
    return main


async def test_git_works_in_a_linked_worktree(ground: Ground, main: Path) -> None:
    snapshot = await ground.take()
    assert snapshot.report.warnings == ()
    assert names(snapshot) == {".git", "vendor", "vendor/a"}
    assert git(snapshot.root, "status", "--porcelain", "--branch") == "## side\n"
    assert git(snapshot.root, "rev-parse", "--absolute-git-dir").strip() == f"{snapshot.root}/.git"
    main_before = git(main, "for-each-ref")
    assert commit_in(snapshot) == "agent\nfirst\n"
    assert git(main, "for-each-ref") == main_before
    assert git(snapshot.root, "fsck", "--strict") == ""


async def test_a_linked_worktrees_settings_are_made_safe(ground: Ground, main: Path) -> None:
    git(main, "config", "core.sshCommand", "evil")
    git(main, "config", "core.bare", "true")
    text = at(await ground.take(), ".git/config").read_text()
    assert "https://example.org/r.git" in text
    assert ("evil" in text, "token" in text, "bare = false" in text) == (False, False, True)


async def test_a_worktree_sees_no_other_and_no_hook(ground: Ground, main: Path) -> None:
    git(main, "worktree", "add", "-q", "-b", "other", str(ground.directory / "other"))
    (main / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    (main / ".git/index.lock").touch()
    (main / ".git/.env").write_text("SECRET=1\n")
    snapshot = await ground.take()
    there = {path.name for path in at(snapshot, ".git").iterdir()}
    assert not there & {"worktrees", "hooks", "index.lock", "gitdir", "commondir", ".env"}
    assert git(snapshot.root, "branch", "--list", "--format=%(refname:short)").split() == [
        *("main", "other", "side")
    ]


async def test_a_second_snapshot_of_a_worktree_copies_nothing(ground: Ground, main: Path) -> None:
    await ground.take()
    assert (await ground.take()).report.copied == 0
    git(main, "branch", "another")
    again = await ground.take()
    assert "another" in git(again.root, "branch", "--list")


async def test_a_merge_in_a_worktree_goes_on_in_the_snapshot(ground: Ground, main: Path) -> None:
    (main / "vendor/a").write_text("theirs\n")
    git(main, "commit", "-q", "-a", "-m", "theirs")
    (ground.workspace / "vendor/a").write_text("ours\n")
    git(ground.workspace, "commit", "-q", "-a", "-m", "ours")
    git(ground.workspace, *FILE_PROTOCOL, "merge", "-q", "--no-commit", "-s", "ours", "main")
    snapshot = await ground.take()
    git(snapshot.root, "commit", "-q", "-m", "merged")
    assert git(snapshot.root, "rev-list", "--count", "--merges", "HEAD") == "1\n"


async def test_a_file_that_names_somebody_elses_repository_gives_nothing(ground: Ground) -> None:
    main = make_main(ground)
    git(main, "worktree", "add", "-q", "-b", "side", str(ground.directory / "real"))
    ground.workspace.mkdir()
    for name, target in (
        ("a", main / ".git"),
        ("b", main / ".git/worktrees/real"),
        ("c", ground.directory / "nowhere"),
    ):
        ground.write(f"{name}/.git", f"gitdir: {target}\n")
    snapshot = await ground.take()
    assert all(at(snapshot, name, ".git").is_file() for name in ("a", "b", "c"))
    warned = [line.partition(":")[0] for line in snapshot.report.warnings]
    assert warned == ["a/.git", "b/.git", "c/.git"]


async def test_a_forged_worktree_cant_bring_another_repository(ground: Ground) -> None:
    main = make_main(ground)
    ground.workspace.mkdir()
    ground.write(".git", "gitdir: ../forged/.git/worktrees/x\n")
    forged = ground.directory / "forged/.git/worktrees/x"
    forged.mkdir(parents=True)
    (forged / "gitdir").write_text(f"{ground.workspace}/.git\n")
    (forged / "HEAD").write_text("ref: refs/heads/main\n")
    (forged / "commondir").write_text(f"{main}/.git\n")
    snapshot = await ground.take()
    assert at(snapshot, ".git").is_file()
    assert "names another work tree" in snapshot.report.warnings[0]


async def test_a_link_in_a_repository_elsewhere_is_not_followed(ground: Ground, main: Path) -> None:
    private = ground.directory / "private"
    private.mkdir()
    (private / "secret").write_text("secret\n")
    (main / ".git/refs/private").symlink_to(private)
    (main / ".git/info/leak").symlink_to(private / "secret")
    snapshot = await ground.take()
    assert not at(snapshot, ".git/refs/private").exists()
    assert not at(snapshot, ".git/info/leak").exists()


async def test_worktrees_inside_the_workspace_work_wherever_it_lies(ground: Ground) -> None:
    ground.repository()
    ground.write("a")
    ground.commit()
    git(ground.workspace, "worktree", "add", "-q", "-b", "side", "trees/side")
    git(ground.workspace, "worktree", "add", "-q", "-b", "far", str(ground.directory / "far"))
    snapshot = await ground.take()
    text = at(snapshot, "trees/side/.git").read_text()
    assert text == "gitdir: ../../.git/worktrees/side\n"
    assert at(snapshot, ".git/worktrees/side/gitdir").read_text() == (
        "/workspace/trees/side/.git\n"
    )
    assert not at(snapshot, ".git/worktrees/far").exists()
    assert commit_in(snapshot, "trees/side") == "agent\nall\n"


async def test_a_submodule_works_in_its_superproject(ground: Ground) -> None:
    library = make_library(ground)
    ground.repository()
    git(ground.workspace, *FILE_PROTOCOL, "submodule", "--quiet", "add", str(library), "lib")
    git(ground.workspace, "commit", "-q", "-m", "with lib")
    snapshot = await ground.take()
    assert git(snapshot.root, "submodule", "status").split()[1] == "lib"
    assert commit_in(snapshot, "lib") == "agent\nlibrary\n"
    assert git(snapshot.root, "status", "--porcelain") == " M lib\n"


async def test_a_submodule_alone_is_a_workspace_too(ground: Ground) -> None:
    library = make_library(ground)
    outer = make_main(ground)
    git(outer, *FILE_PROTOCOL, "submodule", "--quiet", "add", str(library), "lib")
    ground.workspace = outer / "lib"
    snapshot = await ground.take()
    assert commit_in(snapshot) == "agent\nlibrary\n"
    assert "worktree" not in at(snapshot, ".git/config").read_text()


async def test_a_submodule_of_a_linked_worktree_works(ground: Ground, main: Path) -> None:
    library = make_library(ground)
    git(ground.workspace, *FILE_PROTOCOL, "submodule", "--quiet", "add", str(library), "lib")
    git(ground.workspace, "commit", "-q", "-m", "with lib")
    assert (main / ".git/worktrees/project/modules/lib").is_dir()
    snapshot = await ground.take()
    assert snapshot.report.warnings == ()
    assert commit_in(snapshot, "lib") == "agent\nlibrary\n"
    assert git(snapshot.root, "status", "--porcelain") == " M lib\n"
