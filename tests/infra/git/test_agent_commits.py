# SPDX-License-Identifier: Apache-2.0
"""The agent's commits on their way to the user's refs (ADR 0131)."""

import os
from pathlib import Path

import pytest

from bbox_server.domain.commit import DETACHED, AgentBranch
from bbox_server.domain.flush import FlushId
from bbox_server.infra.git import loose, quarantine
from tests.infra.git.agent_ground import FLUSH, SESSION, AgentGround
from tests.infra.workspace.ground import git

REF = f"refs/bbox/{SESSION}/main"
FILE_PROTOCOL = ("-c", "protocol.file.allow=always")


async def only_branch(ground: AgentGround) -> AgentBranch:
    ground.publish()
    (branch,) = await ground.commits().branches()
    return branch


async def test_commits_are_listed_with_subject_author_and_files(ground: AgentGround) -> None:
    ground.edit("a", "changed\n")
    ground.edit("new ü", "n\n")
    (ground.guest / "dir/b").unlink()
    ground.commits_all("First thing\n\nwith more")
    tip = _second(ground)
    branch = await only_branch(ground)
    assert (branch.name, branch.tip, branch.ref, branch.failure) == ("main", tip, REF, "")
    assert [commit.subject for commit in branch.commits] == ["Second", "First thing"]
    assert {(commit.author, commit.email) for commit in branch.commits} == {("a", "a@example.org")}
    files = [(file.status, str(file.path)) for file in branch.commits[1].files]
    assert files == [("M", "a"), ("D", "dir/b"), ("A", "new ü")]
    assert branch.commits[0].files == ()
    assert (branch.commit_count, branch.is_pending) == (2, True)


def _second(ground: AgentGround) -> str:
    ground.work("commit", "-q", "--allow-empty", "-m", "Second")
    return ground.work("rev-parse", "HEAD").strip()


async def test_an_agent_that_commits_nothing_has_no_branch(ground: AgentGround) -> None:
    ground.edit("a", "changed\n")
    ground.work("add", "a")
    ground.work("stash")
    ground.work("branch", "same")
    ground.publish()
    assert await ground.commits().branches() == ()


async def test_what_is_taken_is_a_ref_and_nothing_else(ground: AgentGround) -> None:
    ground.edit("a", "changed\n")
    tip = ground.commits_all("Agent")
    before = ground.host("for-each-ref"), ground.host("status", "--porcelain", "--branch")
    branch = await only_branch(ground)
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert (update.ref, update.before, update.after, update.failure) == (REF, None, tip, "")
    assert ground.host("rev-parse", REF).strip() == tip
    ground.host("fsck", "--strict")
    assert ground.host("status", "--porcelain", "--branch") == before[1]
    assert not (ground.workspace / ".git/FETCH_HEAD").exists()
    (taken,) = await commits.branches()
    assert (taken.taken, branch.taken) == (True, False)
    await commits.give_back(FLUSH)
    assert ground.host("for-each-ref") == before[0]


async def test_later_commits_are_taken_too_and_given_back_one_by_one(ground: AgentGround) -> None:
    first = _edit_and_commit(ground, "1\n")
    ground.publish()
    commits = ground.commits()
    await commits.take(await commits.branches(), FLUSH)
    second = _edit_and_commit(ground, "2\n")
    ground.publish()
    await commits.take(await commits.branches(), FlushId(2))
    assert ground.host("rev-parse", REF).strip() == second
    await ground.commits().give_back(FlushId(2))
    assert ground.host("rev-parse", REF).strip() == first


def _edit_and_commit(ground: AgentGround, text: str) -> str:
    ground.edit("a", text)
    return ground.commits_all(f"Write {text.strip()}")


async def test_a_rewritten_branch_takes_the_place_of_the_old_one(ground: AgentGround) -> None:
    _edit_and_commit(ground, "1\n")
    ground.publish()
    commits = ground.commits()
    await commits.take(await commits.branches(), FLUSH)
    ground.work("commit", "-q", "--amend", "-m", "Better")
    ground.publish()
    await commits.take(await commits.branches(), FlushId(2))
    assert ground.host("log", "-1", "--format=%s", REF) == "Better\n"


async def test_branches_packs_merges_and_detached_heads_come_too(ground: AgentGround) -> None:
    ground.work("checkout", "-q", "-b", "topic/one")
    _edit_and_commit(ground, "1\n")
    ground.work("checkout", "-q", "main")
    ground.edit("c", "c\n")
    ground.commits_all("Main")
    ground.work("merge", "-q", "--no-edit", "topic/one")
    ground.work("repack", "-q", "-a", "-d")
    ground.work("pack-refs", "--all")
    ground.work("checkout", "-q", "--detach")
    _edit_and_commit(ground, "3\n")
    ground.publish()
    commits = ground.commits()
    branches = await commits.branches()
    found = {branch.name: branch.commit_count for branch in branches}
    assert found == {DETACHED: 4, "main": 3, "topic/one": 1}
    merge = next(branch for branch in branches if branch.name == "main").commits[0]
    assert (merge.subject.startswith("Merge"), merge.files) == (True, ())
    await commits.take(branches, FLUSH)
    listed = ground.host("for-each-ref", "--format=%(refname)", "refs/bbox").split()
    assert listed == [f"refs/bbox/{SESSION}/{name}" for name in ("HEAD", "main", "topic/one")]


async def test_the_users_branch_can_move_forward_and_back(ground: AgentGround) -> None:
    tip = _edit_and_commit(ground, "agent\n")
    ground.publish()
    old = ground.host("rev-parse", "main").strip()
    ground.write("a", "agent\n")  # what the flush of the files has done before
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert update.branch == "main"
    (moved,) = await commits.forward(FLUSH)
    assert (moved.ref, moved.before, moved.after) == ("refs/heads/main", old, tip)
    assert ground.host("status", "--porcelain", "--branch") == "## main\n"
    await ground.commits().give_back(FLUSH)
    assert ground.host("rev-parse", "main").strip() == old
    assert ground.host("status", "--porcelain") == " M a\n"


async def test_a_branch_that_moved_on_is_not_offered(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    ground.write("mine")
    ground.commit()
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert update.branch == ""
    assert await commits.forward(FLUSH) == ()


@pytest.mark.parametrize("place", ["here", "elsewhere"])
async def test_a_branch_that_the_user_works_on_is_not_offered(
    ground: AgentGround, place: str
) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    if place == "here":
        ground.write("staged")
        ground.host("add", "staged")
    else:
        ground.host("checkout", "-q", "-b", "other")
        ground.host("worktree", "add", "-q", str(ground.directory / "elsewhere"), "main")
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert (update.failure, update.branch) == ("", "")


async def test_a_ref_that_the_user_moved_is_left(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    commits = ground.commits()
    await commits.take(await commits.branches(), FLUSH)
    ground.host("update-ref", REF, "main")
    (given,) = await commits.give_back(FLUSH)
    assert "was moved meanwhile" in given.failure
    assert ground.host("rev-parse", REF) == ground.host("rev-parse", "main")


async def test_a_linked_worktrees_commits_reach_the_shared_repository(tmp_path: Path) -> None:
    ground = AgentGround(tmp_path)
    main = tmp_path / "main"
    ground.workspace.rename(main)
    git(main, "init", "-q", "-b", "main")
    git(main, "commit", "-q", "--allow-empty", "-m", "Start")
    git(main, "worktree", "add", "-q", "-b", "side", str(ground.workspace))
    await ground.start()
    tip = _edit_and_commit(ground, "agent\n")
    ground.publish()
    commits = ground.commits()
    await commits.take(await commits.branches(), FLUSH)
    assert git(main, "rev-parse", f"refs/bbox/{SESSION}/side").strip() == tip


async def test_submodules_and_nested_repositories_get_their_own(tmp_path: Path) -> None:
    ground = AgentGround(tmp_path)
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    git(library, "commit", "-q", "--allow-empty", "-m", "Start")
    ground.repository()
    ground.host(*FILE_PROTOCOL, "submodule", "--quiet", "add", str(library), "lib")
    ground.commit()
    (ground.workspace / "nested").mkdir()
    ground.host("init", "-q", "-b", "main", "nested")
    ground.host("commit", "-q", "--allow-empty", "-m", "Start", directory="nested")
    await ground.start()
    for directory in ("lib", "nested"):
        ground.edit(f"{directory}/x", "x\n")
        ground.commits_all(f"In {directory}", directory)
    ground.publish()
    commits = ground.commits()
    branches = await commits.branches()
    assert {str(branch.repository): branch.commits[0].subject for branch in branches} == {
        "lib": "In lib",
        "nested": "In nested",
    }
    await commits.take(branches, FLUSH)
    for directory in ("lib", "nested"):
        assert ground.host("log", "-1", "--format=%s", REF, directory=directory) == (
            f"In {directory}\n"
        )


@pytest.mark.parametrize("kind", ["sha256", "shallow"])
async def test_unusual_repositories_work(tmp_path: Path, kind: str) -> None:
    ground = AgentGround(tmp_path)
    if kind == "sha256":
        ground.host("init", "-q", "-b", "main", "--object-format=sha256")
        ground.write("a")
        ground.commit()
    else:
        full = tmp_path / "full"
        ground.workspace.rename(full)
        git(full, "init", "-q", "-b", "main")
        for subject in ("1", "2", "3"):
            git(full, "commit", "-q", "--allow-empty", "-m", subject)
        git(tmp_path, "clone", "-q", "--depth=1", f"file://{full}", str(ground.workspace))
    await ground.start()
    tip = _edit_and_commit(ground, "agent\n")
    ground.publish()
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert (update.failure, update.after) == ("", tip)


def upper_objects(ground: AgentGround) -> list[Path]:
    return [path for path in (ground.u / ".git/objects").rglob("*") if path.is_file()]


async def test_a_missing_object_is_told_and_nothing_is_fetched(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    blob = ground.work("rev-parse", "HEAD:a").strip()
    (ground.u / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (branch,) = await ground.commits().branches()
    assert blob in branch.failure
    assert await ground.commits().take([branch], FLUSH) == ()


async def test_objects_that_are_not_what_they_claim_are_not_used(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    for path in upper_objects(ground):
        path.write_bytes(b"nonsense")
    (branch,) = await ground.commits().branches()
    assert branch.failure


async def test_a_bomb_is_not_unpacked(ground: AgentGround, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loose, "OBJECT_BYTES", 1 << 16)
    ground.edit("a", "\0" * (1 << 20))
    ground.commits_all("Bomb")
    ground.publish()
    (branch,) = await ground.commits().branches()
    assert branch.failure


async def test_a_pack_that_is_none_is_told(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    pack = ground.u / ".git/objects/pack/pack-1.pack"
    pack.parent.mkdir(parents=True, exist_ok=True)
    pack.write_bytes(b"PACK\0\0\0\2\xff\xff\xff\xff")
    (branch,) = await ground.commits().branches()
    assert branch.failure


async def test_a_tree_that_git_would_not_check_out_is_refused(ground: AgentGround) -> None:
    blob = ground.work("hash-object", "-w", "a").strip()
    source = ground.directory / "entries"
    source.write_text(f"100644 blob {blob}\t.git/hooks\n")
    inner = b"100755 post-checkout\0" + bytes.fromhex(blob)
    (ground.directory / "tree").write_bytes(inner)
    tree = ground.work("hash-object", "-t", "tree", "-w", str(ground.directory / "tree")).strip()
    (ground.directory / "outer").write_bytes(b"40000 .git\0" + bytes.fromhex(tree))
    outer = ground.work(
        "hash-object", "--literally", "-t", "tree", "-w", str(ground.directory / "outer")
    ).strip()
    tip = ground.work("commit-tree", outer, "-p", "HEAD", "-m", "Evil").strip()
    ground.work("update-ref", "refs/heads/main", tip)
    ground.publish()
    commits = ground.commits()
    (branch,) = await commits.branches()
    assert "hasDotgit" in branch.failure
    assert await commits.take([branch], FLUSH) == ()
    assert ground.host("for-each-ref", "refs/bbox") == ""


@pytest.mark.parametrize(
    "name",
    [
        "../../heads/main",
        "-x",
        "a..b",
        "x.lock",
        "a b",
        "a~1",
        "HEAD",
        "x/.y",
        "\x1b[31m",
        "\u202e",
    ],
)
async def test_names_that_could_play_tricks_are_refused(ground: AgentGround, name: str) -> None:
    tip = _edit_and_commit(ground, "agent\n")
    ground.work("update-ref", "refs/heads/main", "HEAD~1")
    ground.publish()
    put = ground.u / ".git/packed-refs"
    put.write_text(f"{tip} refs/heads/{name}\n")
    branches = await ground.commits().branches()
    assert all(branch.failure and not branch.is_pending for branch in branches)
    assert ground.host("for-each-ref", "refs/bbox") == ""


async def test_nothing_of_the_agents_configuration_is_read(ground: AgentGround) -> None:
    proof = ground.directory / "proof"
    evil = ground.directory / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {proof}\n")
    evil.chmod(0o755)
    tip = _edit_and_commit(ground, "agent\n")
    ground.edit(".gitattributes", "* diff=evil filter=evil merge=evil\n")
    ground.commits_all("Attributes")
    config = ground.guest / ".git/config"
    with config.open("a") as file:
        for key in ("fsmonitor", "sshCommand", "pager", "alternateRefsCommand", "hooksPath"):
            file.write(f"[core]\n\t{key} = {evil}\n")
        file.write(f'[diff]\n\texternal = {evil}\n[diff "evil"]\n\ttextconv = {evil}\n')
        file.write(f"[uploadpack]\n\tpackObjectsHook = {evil}\n")
    hooks = ground.guest / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("reference-transaction", "post-checkout", "pre-auto-gc"):
        (hooks / hook).symlink_to(evil)
    elsewhere = ground.directory / "elsewhere"
    git(ground.directory, "init", "-q", "--bare", str(elsewhere))
    ground.edit(".git/objects/info/alternates", f"{elsewhere}/objects\n")
    ground.publish()
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert update.failure == ""
    assert tip in ground.host("rev-list", REF)
    assert not proof.exists()


async def test_hooks_of_the_users_are_not_run_either(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    proof = ground.directory / "proof"
    hook = ground.workspace / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {proof}\n")
    hook.chmod(0o755)
    commits = ground.commits()
    await commits.take(await commits.branches(), FLUSH)
    assert not proof.exists()


async def test_links_and_devices_in_the_agents_git_are_not_followed(ground: AgentGround) -> None:
    secret = ground.directory / "secret"
    secret.write_text("0" * 40)
    heads = ground.u / ".git/refs/heads"
    heads.mkdir(parents=True)
    (heads / "link").symlink_to(secret)
    os.mkfifo(heads / "fifo")
    objects = ground.u / ".git/objects"
    objects.mkdir(parents=True)
    (objects / "pack").symlink_to(ground.workspace / ".git/objects/pack")
    assert await ground.commits().branches() == ()


async def test_a_git_directory_that_became_a_link_has_no_commits(ground: AgentGround) -> None:
    (ground.u / ".git").symlink_to(ground.workspace / ".git")
    assert await ground.commits().branches() == ()


async def test_a_repository_that_the_user_removed_is_told(ground: AgentGround) -> None:
    _edit_and_commit(ground, "agent\n")
    ground.publish()
    (ground.workspace / ".git").rename(ground.directory / "gone")
    (branch,) = await ground.commits().branches()
    assert "No such file" in branch.failure


async def test_messages_and_names_cant_pass_for_other_commits(ground: AgentGround) -> None:
    ground.edit("a\tM\n", "x\n")
    tip = ground.commits_all(f"{'f' * 40} commit 3\n{'e' * 40}\nM\na")
    branch = await only_branch(ground)
    assert [commit.id for commit in branch.commits] == [tip]
    assert branch.commits[0].subject == f"{'f' * 40} commit 3"
    assert [str(file.path) for file in branch.commits[0].files] == ["a\tM\n"]


async def test_many_commits_are_counted_and_the_newest_shown(
    ground: AgentGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "COMMIT_LIMIT", 2)
    for number in range(4):
        ground.work("commit", "-q", "--allow-empty", "-m", f"Commit {number}")
    branch = await only_branch(ground)
    assert branch.commit_count == 4
    assert [commit.subject for commit in branch.commits] == ["Commit 3", "Commit 2"]


async def test_the_repository_stays_its_owners(sandbox_dir: Path) -> None:
    ground = AgentGround(sandbox_dir)
    ground.repository()
    ground.write("a")
    ground.commit()
    await ground.start()
    tip = _edit_and_commit(ground, "agent\n")
    ground.publish()
    # Root's bbox works for whoever owns the workspace; anybody else's for themselves.
    owner = 1000 if os.geteuid() == 0 else os.geteuid()
    for path in (ground.workspace, *ground.workspace.rglob("*")):
        os.chown(path, owner, -1)
    commits = ground.commits()
    (update,) = await commits.take(await commits.branches(), FLUSH)
    assert (update.failure, update.after) == ("", tip)
    assert {path.stat().st_uid for path in ground.workspace.rglob("*")} == {owner}
