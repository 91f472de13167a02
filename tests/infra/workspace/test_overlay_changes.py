# SPDX-License-Identifier: Apache-2.0
"""What an honest guest's overlay is listed as."""

import os
from pathlib import PurePosixPath

import pytest

from bbox_server.domain.change import Change, ChangeKind, EntryKind, Side, Tier, WithheldReason
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.workspace.limits import ChangeLimits
from tests.infra.workspace.ground import Ground, at, by_path


async def listed(ground: Ground, limits: ChangeLimits | None = None) -> dict[str, Change]:
    overlay = await ground.overlay(limits or ChangeLimits())
    try:
        return by_path(await overlay.changes())
    finally:
        overlay.close()


async def prepared(ground: Ground) -> None:
    """Make `u`, as the start of a session does."""
    (await ground.overlay()).close()


async def test_nothing_changed_is_no_change(ground: Ground) -> None:
    ground.write("a")
    assert await listed(ground) == {}


async def test_added_modified_and_deleted_files(ground: Ground) -> None:
    ground.write("mod", "1\n")
    ground.write("gone", "2\n")
    await prepared(ground)
    ground.agent("mod", "11\n")
    ground.agent("new", "3\n")
    ground.remove("gone")
    kinds = {path: change.kind for path, change in (await listed(ground)).items()}
    assert kinds == {
        "mod": ChangeKind.MODIFIED,
        "new": ChangeKind.ADDED,
        "gone": ChangeKind.DELETED,
    }


async def test_a_copy_up_without_a_difference_is_no_change(ground: Ground) -> None:
    ground.write("a", "same\n")
    await prepared(ground)
    ground.agent("a", "same\n")
    assert await listed(ground) == {}


async def test_the_executable_bit_alone_is_a_change(ground: Ground) -> None:
    ground.write("a", "same\n")
    await prepared(ground)
    ground.agent("a", "same\n", mode=0o755)
    change = (await listed(ground))["a"]
    assert (change.kind, change.mode_changed) == (ChangeKind.MODE, True)


async def test_other_permission_bits_are_no_change(ground: Ground) -> None:
    ground.write("a", "same\n")
    await prepared(ground)
    ground.agent("a", "same\n", mode=0o600)
    assert await listed(ground) == {}


async def test_a_moved_file_is_one_change(ground: Ground) -> None:
    ground.write("old/name", "content\n")
    await prepared(ground)
    ground.agent("new/name", "content\n")
    ground.remove("old/name")
    change = (await listed(ground))["new/name"]
    assert (change.kind, str(change.old_path)) == (ChangeKind.RENAMED, "old/name")


async def test_a_moved_makefile_is_as_touchy_as_a_makefile(ground: Ground) -> None:
    ground.write("Makefile", "all:\n")
    await prepared(ground)
    ground.agent("notes", "all:\n")
    ground.remove("Makefile")
    assert (await listed(ground))["notes"].tier is Tier.BUILD_FILE


async def test_a_removed_directory_is_all_that_was_in_it(ground: Ground) -> None:
    ground.write("d/e/a")
    ground.write("d/b")
    await prepared(ground)
    ground.remove("d")
    changes = await listed(ground)
    assert set(changes) == {"d", "d/e", "d/e/a", "d/b"}
    assert {change.kind for change in changes.values()} == {ChangeKind.DELETED}


async def test_a_replaced_directory_hides_what_was_in_it(ground: Ground) -> None:
    ground.write("d/old", "1\n")
    ground.write("d/both", "1\n")
    await prepared(ground)
    ground.opaque("d")
    ground.agent("d/both", "2\n")
    ground.agent("d/new", "3\n")
    kinds = {path: change.kind for path, change in (await listed(ground)).items()}
    assert kinds == {
        "d/old": ChangeKind.DELETED,
        "d/both": ChangeKind.MODIFIED,
        "d/new": ChangeKind.ADDED,
    }


async def test_a_file_in_place_of_a_directory(ground: Ground) -> None:
    ground.write("d/a")
    await prepared(ground)
    ground.agent("d", "now a file\n")
    changes = await listed(ground)
    assert changes["d"].kind is ChangeKind.TYPE_CHANGE
    assert changes["d/a"].kind is ChangeKind.DELETED


async def test_a_directory_in_place_of_a_file(ground: Ground) -> None:
    ground.write("f")
    await prepared(ground)
    ground.agent("f/a")
    changes = await listed(ground)
    assert changes["f"].kind is ChangeKind.TYPE_CHANGE
    assert changes["f/a"].kind is ChangeKind.ADDED


async def test_links(ground: Ground) -> None:
    (ground.workspace / "moved").symlink_to("a")
    (ground.workspace / "same").symlink_to("a")
    ground.write("file")
    await prepared(ground)
    for name in ("moved", "new", "file"):
        (ground.u / name).symlink_to("b")
    (ground.u / "same").symlink_to("a")
    kinds = {path: change.kind for path, change in (await listed(ground)).items()}
    assert kinds == {
        "moved": ChangeKind.SYMLINK,
        "new": ChangeKind.SYMLINK,
        "file": ChangeKind.TYPE_CHANGE,
    }


async def test_a_new_directory_is_listed_when_it_is_empty(ground: Ground) -> None:
    await prepared(ground)
    (ground.u / "empty").mkdir()
    ground.agent("full/a")
    changes = await listed(ground)
    assert set(changes) == {"empty", "full/a"}
    assert changes["empty"].kind is ChangeKind.DIRECTORY


async def test_changes_come_in_the_order_of_their_bytes(ground: Ground) -> None:
    await prepared(ground)
    names = [b"b", b"a-b", b"a/c", b"a0", "ü".encode(), b"\xff", "\U0001f600".encode()]
    for name in names:
        ground.agent(os.fsdecode(name))
    overlay = await ground.overlay()
    paths = [os.fsencode(str(change.path)) for change in (await overlay.changes()).changes]
    overlay.close()
    assert paths == sorted(names)


async def test_an_identifier_changes_with_the_content(ground: Ground) -> None:
    await prepared(ground)
    ids = []
    for content in ("1\n", "2\n", "1\n"):
        ground.agent("a", content)
        ids.append((await listed(ground))["a"].id)
    assert (ids[0] == ids[2], ids[0] == ids[1]) == (True, False)


async def test_the_revision_counts_changes_of_the_set(ground: Ground) -> None:
    overlay = await ground.overlay()
    revisions = []
    for content in ("1\n", "1\n", "2\n"):
        ground.agent("a", content)
        revisions.append((await overlay.changes()).revision)
    overlay.close()
    assert revisions == [1, 1, 2]


async def test_both_sides_can_be_read(ground: Ground) -> None:
    ground.write("a", "before\n")
    overlay = await ground.overlay()
    ground.agent("a", "after\n")
    path = PurePosixPath("a")
    texts = [await overlay.read(side, path) for side in (Side.BASELINE, Side.AGENT)]
    overlay.close()
    assert texts == [b"before\n", b"after\n"]


async def test_the_agent_s_side_of_an_untouched_file_is_the_baseline_s(ground: Ground) -> None:
    ground.write("d/a", "before\n")
    overlay = await ground.overlay()
    ground.agent("d/b")
    text = await overlay.read(Side.AGENT, PurePosixPath("d/a"))
    overlay.close()
    assert text == b"before\n"


@pytest.mark.parametrize("how", ["whiteout", "opaque", "file", "never"])
async def test_what_the_agent_has_no_more_is_stale(ground: Ground, how: str) -> None:
    if how != "never":
        ground.write("d/a", "before\n")
    overlay = await ground.overlay()
    match how:
        case "whiteout":
            ground.remove("d/a")
        case "opaque":
            ground.opaque("d")
        case "file":
            ground.agent("d")
        case _:
            pass
    with pytest.raises(BboxError) as caught:
        await overlay.read(Side.AGENT, PurePosixPath("d/a"))
    overlay.close()
    assert caught.value.code is ErrorCode.REVIEW_STALE


async def test_what_a_link_says_can_be_read(ground: Ground) -> None:
    overlay = await ground.overlay()
    (ground.u / "l").symlink_to("target")
    text = await overlay.read(Side.AGENT, PurePosixPath("l"))
    overlay.close()
    assert text == b"target"


async def test_tiers_are_the_classifier_s(ground: Ground) -> None:
    await prepared(ground)
    for name in ("Makefile", ".vscode/tasks.json", "src/a.py"):
        ground.agent(name)
    tiers = {path: change.tier for path, change in (await listed(ground)).items()}
    assert tiers == {
        "Makefile": Tier.BUILD_FILE,
        ".vscode/tasks.json": Tier.EXECUTES_ON_HOST,
        "src/a.py": Tier.ORDINARY,
    }


async def test_what_the_excludes_hide_is_withheld_and_counted(ground: Ground) -> None:
    ground.write(".gitignore", "*.log\n/out/\n")
    await prepared(ground)
    for name in ("node_modules/a/x", "node_modules/b", "debug.log", "out/1", "out/d/2", "ok"):
        ground.agent(name)
    withheld = {
        path: (change.kind, change.bulk_count)
        for path, change in (await listed(ground)).items()
        if change.withheld is WithheldReason.EXCLUDED
    }
    assert withheld == {
        "node_modules": (ChangeKind.BULK, 2),
        "debug.log": (ChangeKind.ADDED, 0),
        "out": (ChangeKind.BULK, 2),
    }


async def test_a_nested_gitignore_of_the_users_counts_and_one_of_the_agents_does_not(
    ground: Ground,
) -> None:
    ground.write("sub/.gitignore", "*.o\n")
    await prepared(ground)
    ground.agent("sub/.gitignore", "!*.o\nhidden\n")
    ground.agent("other/.gitignore", "*\n")
    for name in ("sub/a.o", "sub/deep/b.o", "sub/hidden", "a.o", "other/hidden"):
        ground.agent(name)
    changes = await listed(ground)
    assert {path for path, change in changes.items() if change.withheld is not None} == {
        "sub/a.o",
        "sub/deep/b.o",
    }


async def test_an_ignored_directory_of_the_baseline_is_counted_as_one(ground: Ground) -> None:
    ground.write(".gitignore", "/cache/\n")
    for name in ("cache/a", "cache/b", "cache/c"):
        ground.write(name, "1\n")
    await prepared(ground)
    ground.agent("cache/a", "2\n")
    ground.remove("cache/b")
    ground.agent("cache/new/d")
    changes = await listed(ground)
    assert {path: change.bulk_count for path, change in changes.items()} == {"cache": 3}


async def test_a_tracked_file_is_not_withheld_though_it_is_ignored(ground: Ground) -> None:
    ground.repository()
    ground.write(".gitignore", "*.log\nlogs/\n")
    ground.write("kept.log", "1\n")
    ground.write("logs/.gitkeep", "1\n")
    ground.commit()
    await prepared(ground)
    ground.agent("kept.log", "2\n")
    ground.agent("other.log", "2\n")
    ground.agent("logs/.gitkeep", "2\n")
    ground.agent("logs/today")
    changes = await listed(ground)
    assert {path: change.withheld for path, change in changes.items()} == {
        "kept.log": None,
        "other.log": WithheldReason.EXCLUDED,
        "logs/.gitkeep": None,
        "logs": WithheldReason.EXCLUDED,
    }


async def test_a_new_file_beside_tracked_ones_is_ordinary(ground: Ground) -> None:
    ground.repository()
    ground.write("vendor/a")
    ground.commit()
    await prepared(ground)
    ground.agent("vendor/b")
    assert (await listed(ground))["vendor/b"].withheld is None


async def test_a_new_file_beside_tracked_ones_is_withheld_where_git_ignores_it(
    ground: Ground,
) -> None:
    ground.repository()
    ground.write("dist/a")
    ground.commit()
    ground.write(".gitignore", "dist/\n")
    await prepared(ground)
    ground.agent("dist/a", "2\n")
    ground.agent("dist/b")
    changes = await listed(ground)
    assert {path: change.withheld for path, change in changes.items()} == {
        "dist/a": None,
        "dist": WithheldReason.EXCLUDED,
    }


async def test_the_user_s_excludes_hold_for_the_session(ground: Ground) -> None:
    ground.write("a")
    snapshot = await ground.take("*.tmp")
    (ground.workspace / ".broodboxignore").write_text("other\n")
    overlay = ground.open(snapshot)
    ground.agent("x.tmp")
    ground.agent("other")
    withheld = [str(change.path) for change in (await overlay.changes()).withheld]
    overlay.close()
    assert withheld == ["x.tmp"]


async def test_secrets_are_withheld(ground: Ground) -> None:
    await prepared(ground)
    for name in (".env", "deep/id_rsa", ".ssh/config", "sub/.AWS/credentials"):
        ground.agent(name)
    changes = await listed(ground)
    assert {change.withheld for change in changes.values()} == {WithheldReason.SECRET}
    assert set(changes) == {".env", "deep/id_rsa", ".ssh", "sub/.AWS"}


async def test_git_s_own_files_are_one_withheld_change_each_repository(ground: Ground) -> None:
    ground.repository()
    ground.write("a")
    ground.commit()
    await prepared(ground)
    for name in ("HEAD", "refs/heads/x", "hooks/pre-commit", "config"):
        ground.agent(f".git/{name}")
        ground.agent(f"new/.git/{name}")
    ground.agent("sub/.git", "gitdir: /elsewhere\n")
    changes = await listed(ground)
    assert {path: change.bulk_count for path, change in changes.items()} == {
        ".git": 4,
        "new/.git": 4,
        "sub/.git": 0,
    }
    assert {change.withheld for change in changes.values()} == {WithheldReason.GIT_INTERNAL}


@pytest.mark.parametrize("name", [".GIT", ".g\u200cit", ".git ", "git~1", ".Git."])
async def test_other_names_of_dot_git_are_git_internal(ground: Ground, name: str) -> None:
    await prepared(ground)
    ground.agent(f"sub/{name}/config")
    (change,) = (await listed(ground)).values()
    assert change.withheld is WithheldReason.GIT_INTERNAL


async def test_a_tree_in_the_shape_of_a_repository_is_git_internal(ground: Ground) -> None:
    ground.write("half.git/objects/a")
    ground.write("half.git/refs/a")
    await prepared(ground)
    ground.agent("half.git/HEAD")
    for name in ("HEAD", "objects/a", "refs/a", "config", "hooks/post-checkout"):
        ground.agent(f"evil.git/{name}")
    changes = await listed(ground)
    assert set(changes) == {"half.git", "evil.git"}
    assert {change.withheld for change in changes.values()} == {WithheldReason.GIT_INTERNAL}


async def test_the_root_in_the_shape_of_a_repository_withholds_its_parts(ground: Ground) -> None:
    await prepared(ground)
    for name in ("HEAD", "objects/a", "refs/a", "config", "src/a.py"):
        ground.agent(name)
    changes = await listed(ground)
    shown = [path for path, change in changes.items() if change.withheld is None]
    assert (shown, set(changes)) == (
        ["src/a.py"],
        {"HEAD", "objects", "refs", "config", "src/a.py"},
    )


async def test_a_removed_dot_git_is_withheld(ground: Ground) -> None:
    ground.repository()
    await prepared(ground)
    ground.remove(".git")
    (change,) = (await listed(ground)).values()
    assert (change.kind, change.withheld) == (ChangeKind.DELETED, WithheldReason.GIT_INTERNAL)


async def test_a_very_full_new_directory_is_one_change(ground: Ground) -> None:
    await prepared(ground)
    for number in range(30):
        ground.agent(f"app/src/d{number % 3}/f{number}", f"{number}\n")
    ground.agent("app/Makefile")
    changes = await listed(ground, ChangeLimits(bulk_files=20))
    assert set(changes) == {"app", "app/Makefile"}
    assert (changes["app"].kind, changes["app"].bulk_count) == (ChangeKind.BULK, 30)


async def test_a_full_directory_can_be_listed_one_by_one(ground: Ground) -> None:
    overlay = await ground.overlay(ChangeLimits(bulk_files=5))
    for number in range(10):
        ground.agent(f"app/f{number}", f"{number}\n")
    (bulk,) = (await overlay.changes()).changes
    parts = await overlay.expand(bulk)
    overlay.close()
    assert [str(part.path) for part in parts] == [f"app/f{number}" for number in range(10)]
    assert all(part.agent is not None and part.agent.digest for part in parts)


async def test_a_full_directory_that_changed_is_stale(ground: Ground) -> None:
    overlay = await ground.overlay(ChangeLimits(bulk_files=5))
    for number in range(10):
        ground.agent(f"app/f{number}", f"{number}\n")
    (bulk,) = (await overlay.changes()).changes
    ground.agent("app/f3", "changed\n")
    with pytest.raises(BboxError) as caught:
        await overlay.expand(bulk)
    overlay.close()
    assert caught.value.code is ErrorCode.REVIEW_STALE


async def test_a_repository_without_git_dir_of_its_own_needs_no_git(ground: Ground) -> None:
    ground.write(".gitignore", "a\n")
    ground.write("a", "1\n")
    await prepared(ground)
    ground.agent("a", "2\n")
    assert (await listed(ground))["a"].withheld is WithheldReason.EXCLUDED


async def test_entries_say_what_both_sides_are(ground: Ground) -> None:
    ground.write("a", "12\n", mode=0o640)
    await prepared(ground)
    ground.agent("a", "123\n", mode=0o755)
    change = (await listed(ground))["a"]
    assert change.baseline is not None
    assert change.agent is not None
    assert (change.baseline.kind, change.baseline.mode, change.baseline.size) == (
        EntryKind.FILE,
        0o640,
        3,
    )
    assert (change.agent.kind, change.agent.mode, change.agent.size) == (EntryKind.FILE, 0o755, 4)


async def test_a_session_finds_its_overlay_again(ground: Ground) -> None:
    snapshot = await ground.take()
    ground.open(snapshot).close()
    ground.agent("a")
    again = ground.open(snapshot)
    paths = [str(change.path) for change in (await again.changes()).changes]
    again.close()
    assert (paths, again.share.upper) == (["a"], str(ground.upper))


async def test_the_baseline_of_a_session_stays_when_the_workspace_moves_on(
    ground: Ground,
) -> None:
    ground.write("a", "1\n")
    snapshot = await ground.take()
    overlay = ground.open(snapshot)
    ground.write("a", "user\n")
    ground.write("b", "user\n")
    await ground.take()
    found = (await overlay.changes()).changes
    overlay.close()
    assert found == ()
    assert at(snapshot, "a").read_text() == "1\n"
