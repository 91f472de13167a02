# SPDX-License-Identifier: Apache-2.0
"""What a snapshot makes of git directories (compat P-08, P-29)."""

import pytest

from bbox_server.domain.snapshot import Snapshot
from tests.infra.workspace.ground import Ground, at, git, names

CONFIG = """
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tsshCommand = evil
\thooksPath = /home/user/hooks
[remote "origin"]
\turl = https://user:secret-token@example.org/repo.git
[credential]
\thelper = store
[alias]
\tx = !evil
"""


def config_of(snapshot: Snapshot, git_dir: str) -> str:
    return at(snapshot, git_dir, "config").read_text()


def status_in(snapshot: Snapshot) -> str:
    return git(snapshot.root, "status", "--porcelain")


@pytest.mark.parametrize(
    "git_dir",
    [".git", "sub/.git", ".git/modules/lib", ".git/modules/a/modules/b", "bare.git", "x/mirror"],
)
async def test_every_git_directory_gets_a_safe_config(ground: Ground, git_dir: str) -> None:
    git(ground.directory, "init", "-q", "--bare", str(ground.workspace / git_dir))
    ground.write(f"{git_dir}/config", CONFIG)
    snapshot = await ground.take()
    text = config_of(snapshot, git_dir)
    assert "url = https://example.org/repo.git" in text
    assert not any(word in text for word in ("secret", "evil", "credential", "hooks"))


async def test_a_config_that_git_refuses_is_replaced_by_a_plain_one(ground: Ground) -> None:
    ground.repository()
    ground.write(".git/config", "[core\n\tsshCommand = evil\n")
    assert config_of(await ground.take(), ".git").startswith("[core]\n\trepositoryformatversion")


async def test_a_changed_config_is_made_safe_again(ground: Ground) -> None:
    ground.repository()
    await ground.take()
    git(ground.workspace, "config", "core.sshCommand", "evil")
    git(ground.workspace, "config", "branch.main.remote", "origin")
    text = config_of(await ground.take(), ".git")
    assert ("evil" in text, "remote = origin" in text) == (False, True)


async def test_a_repository_still_works_with_its_safe_config(ground: Ground) -> None:
    ground.repository()
    ground.write("a")
    ground.commit()
    assert status_in(await ground.take()) == ""


async def test_a_sha256_repository_still_works(ground: Ground) -> None:
    git(ground.workspace, "init", "-q", "--object-format=sha256")
    ground.write("a")
    ground.commit()
    assert status_in(await ground.take()) == ""


async def test_hooks_and_locks_stay_out(ground: Ground) -> None:
    ground.repository()
    ground.write(".git/hooks/pre-commit", "#!/bin/sh\n", mode=0o755)
    ground.write(".git/index.lock")
    ground.write(".git/modules/lib/HEAD")
    (ground.workspace / ".git/modules/lib/objects").mkdir()
    (ground.workspace / ".git/modules/lib/refs").mkdir()
    ground.write(".git/modules/lib/hooks/post-checkout")
    root = at(await ground.take())
    there = [path for path in root.rglob("*") if path.name in {"hooks", "index.lock"}]
    assert there == []


async def test_directories_called_hooks_elsewhere_are_ordinary(ground: Ground) -> None:
    ground.write("src/hooks/use.ts")
    ground.write("Cargo.lock")
    assert {"src/hooks/use.ts", "Cargo.lock"} <= names(await ground.take())


async def test_logs_that_name_users_in_urls_don_t(ground: Ground) -> None:
    ground.repository()
    line = "0 1 A <a@example.org> 1 +0000\tclone: from https://me:token@example.org/r\n"
    ground.write(".git/logs/HEAD", line)
    ground.write(".git/logs/refs/heads/main", line)
    ground.write(".git/FETCH_HEAD", "0\t\tbranch 'main' of https://me:token@example.org/r\n")
    root = at(await ground.take(), ".git")
    texts = [(root / name).read_text() for name in ("logs/HEAD", "logs/refs/heads/main")]
    texts.append((root / "FETCH_HEAD").read_text())
    assert all("https://example.org/r" in text for text in texts)


async def test_branch_names_are_not_taken_for_files_of_the_user(ground: Ground) -> None:
    ground.repository()
    ground.write("a")
    ground.commit()
    git(ground.workspace, "branch", "dist/my.pem")
    assert "dist/my.pem" in git((await ground.take()).root, "branch", "--list")


async def test_a_directory_in_the_shape_of_a_repository_hides_no_secret(ground: Ground) -> None:
    ground.write("conf/HEAD")
    ground.write("conf/objects/a")
    ground.write("conf/refs/a")
    ground.write("conf/deep/.env")
    ground.write("conf/node_modules/a")
    assert not {"conf/deep/.env", "conf/node_modules"} & names(await ground.take())


async def test_tracked_files_of_a_performance_directory_enter(ground: Ground) -> None:
    ground.repository()
    ground.write("vendor/lib/a.c")
    ground.write("build/keep")
    ground.commit()
    ground.write("vendor/lib/new.c")
    ground.write("vendor/other/b.c")
    ground.write("node_modules/x.js")
    snapshot = await ground.take()
    assert names(snapshot) - {".git"} == {
        *("vendor", "vendor/lib", "vendor/lib/a.c"),
        *("build", "build/keep"),
    }
    assert status_in(snapshot) == ""


async def test_a_file_that_is_tracked_no_longer_leaves_again(ground: Ground) -> None:
    ground.repository()
    ground.write("vendor/a")
    ground.write("vendor/b")
    ground.commit()
    await ground.take()
    git(ground.workspace, "rm", "-q", "--cached", "vendor/b")
    assert {"vendor/a", "vendor/b"} & names(await ground.take()) == {"vendor/a"}


async def test_a_tracked_secret_stays_out_and_git_does_not_miss_it(ground: Ground) -> None:
    ground.repository()
    ground.write(".env.example", "A=1\n")
    ground.write("test/fixtures/server.key")
    ground.write("vendor/x.pem")
    ground.write("a")
    ground.commit()
    snapshot = await ground.take()
    assert not {".env.example", "test/fixtures/server.key", "vendor/x.pem"} & names(snapshot)
    assert status_in(snapshot) == ""


async def test_what_the_user_excludes_stays_out_though_it_is_tracked(ground: Ground) -> None:
    ground.repository()
    ground.write("private/notes.md")
    ground.write("a")
    ground.commit()
    snapshot = await ground.take("private/")
    assert "private" not in names(snapshot)
    assert status_in(snapshot) == ""


async def test_a_commit_of_everything_keeps_what_stayed_out(ground: Ground) -> None:
    ground.repository()
    ground.write(".env.example")
    ground.write("a")
    ground.commit()
    snapshot = await ground.take()
    root = snapshot.root
    at(snapshot, "a").write_text("changed\n")
    git(root, "commit", "-q", "-a", "-m", "agent")
    assert git(root, "ls-tree", "--name-only", "HEAD").split() == [".env.example", "a"]


async def test_the_mark_follows_the_rules(ground: Ground) -> None:
    ground.repository()
    ground.write("notes")
    ground.write("a")
    ground.commit()
    first = await ground.take("notes")
    second = await ground.take()
    third = await ground.take("notes")
    assert ["notes" in names(each) for each in (first, second, third)] == [False, True, False]
    assert [status_in(each) for each in (second, third)] == ["", ""]


async def test_the_workspace_s_own_index_is_not_touched(ground: Ground) -> None:
    ground.repository()
    ground.write(".env.example")
    ground.commit()
    await ground.take()
    assert git(ground.workspace, "ls-files", "-t") == "H .env.example\n"


async def test_an_unchanged_repository_keeps_its_generation(ground: Ground) -> None:
    ground.repository()
    ground.write(".env.example")
    ground.write("a")
    ground.commit()
    first = await ground.take()
    assert (await ground.take()).root == first.root


async def test_nested_repositories_have_their_own_index(ground: Ground) -> None:
    ground.repository()
    inner = ground.workspace / "lib/inner"
    inner.mkdir(parents=True)
    git(inner, "init", "-q")
    ground.write("lib/inner/dist/out.js")
    git(inner, "add", "-f", "dist/out.js")
    snapshot = await ground.take()
    assert "lib/inner/dist/out.js" in names(snapshot)
    assert git(f"{snapshot.root}/lib/inner", "status", "--porcelain") == "A  dist/out.js\n"


async def test_a_submodule_keeps_what_it_tracks(ground: Ground) -> None:
    other = ground.directory / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "vendor").mkdir()
    (other / "vendor/a").write_text("a\n")
    git(other, "add", "-f", "vendor/a")
    git(other, "commit", "-q", "-m", "a")
    ground.repository()
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "lib")
    git(ground.workspace, *add)
    snapshot = await ground.take()
    assert "lib/vendor/a" in names(snapshot)
    assert git(f"{snapshot.root}/lib", "status", "--porcelain") == ""


async def test_a_damaged_index_is_said_and_stops_nothing(ground: Ground) -> None:
    ground.repository()
    ground.write("vendor/a")
    ground.commit()
    ground.write(".git/index", b"DIRC nonsense")
    snapshot = await ground.take()
    assert "vendor/a" not in names(snapshot)
    assert any("git can't read the index" in line for line in snapshot.report.warnings)


async def test_a_git_file_that_names_nothing_is_an_ordinary_file(ground: Ground) -> None:
    ground.write(".git", "nonsense\n")
    ground.write("sub/.git", b"gitdir: " + b"x" * 100_000)
    ground.write("vendor/a")
    ground.write("sub/vendor/a")
    assert names(await ground.take()) == {".git", "sub", "sub/.git"}


async def test_borrowed_objects_are_named(ground: Ground) -> None:
    ground.repository()
    ground.write(".git/objects/info/alternates", "/elsewhere/objects\n")
    (warning,) = (await ground.take()).report.warnings
    assert warning.startswith(".git: borrows objects")
