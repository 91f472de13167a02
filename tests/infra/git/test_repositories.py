# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git import Setting, serialized
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.repositories import GitCommand

GIT = GitCommand()


def git(directory: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}
    command = ("git", "-C", str(directory), *words)
    subprocess.run(command, check=True, env=environment, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for name in ("a", "b c", os.fsdecode(b"bad\xff\n"), "ü"):
        (tmp_path / name).write_text("x\n")
    git(tmp_path, "add", "-A")
    return tmp_path


def git_dir(repository: Path) -> HostPath:
    return HostPath(str(repository / ".git"))


def test_tracked_paths_are_those_of_the_index(repository: Path) -> None:
    (repository / "a").unlink()
    (repository / "untracked").touch()
    assert set(GIT.tracked(git_dir(repository))) == {"a", "b c", os.fsdecode(b"bad\xff\n"), "ü"}


def test_a_repository_without_an_index_tracks_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert GIT.tracked(git_dir(tmp_path)) == ()


def test_what_is_no_repository_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(BboxError) as caught:
        GIT.tracked(HostPath(str(tmp_path)))
    assert caught.value.code is ErrorCode.GIT_FAILED


def test_no_program_of_the_repository_is_started(repository: Path) -> None:
    proof = repository / "started"
    evil = repository / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {proof}\n")
    evil.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "alias.ls-files"):
        git(repository, "config", key, str(evil))
    git(repository, "config", "core.hooksPath", str(repository))
    (repository / "post-index-change").symlink_to(evil)
    GIT.tracked(git_dir(repository))
    GIT.skip_worktree(git_dir(repository), ("a",))
    assert not proof.exists()


def test_skipped_paths_are_not_missed(repository: Path) -> None:
    names = ("a", os.fsdecode(b"bad\xff\n"))
    GIT.skip_worktree(git_dir(repository), names)
    for name in names:
        (repository / name).unlink()
    done = subprocess.run(
        ("git", "-C", str(repository), "diff", "--name-only"), check=True, capture_output=True
    )
    assert done.stdout == b""


def test_settings_are_what_git_reads() -> None:
    text = b'[core] bare\n[Remote "A.b"]\n\tURL = "a\\nb" ; note\n[x.y]\nz = 1 \\\n 2\n'
    assert GIT.settings(text) == (
        Setting(section="core", subsection=None, key="bare", value=None),
        Setting(section="remote", subsection="A.b", key="url", value="a\nb"),
        Setting(section="x", subsection="y", key="z", value="1  2"),
    )


def test_includes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("[user]\n\tname = somebody\n")
    found = GIT.settings(f"[include]\n\tpath = {tmp_path}/other\n".encode())
    assert [setting.section for setting in found] == ["include"]


@pytest.mark.parametrize("text", [b"[core\n", b"[core]\n\t= 1\n", b"\0\1\2[", b'[a "b]\nc = 1'])
def test_a_file_that_git_refuses_is_a_failure(text: bytes) -> None:
    with pytest.raises(BboxError) as caught:
        GIT.settings(text)
    assert caught.value.code is ErrorCode.GIT_FAILED


TEXTS = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)
SETTINGS = st.builds(
    Setting,
    section=st.sampled_from(["core", "remote", "x"]),
    subsection=st.none() | TEXTS.filter(lambda text: "\n" not in text),
    key=st.sampled_from(["a", "bare", "url"]),
    value=st.none() | TEXTS,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SETTINGS, max_size=5))
def test_git_reads_what_we_write(written: list[Setting]) -> None:
    assert GIT.settings(serialized(written)) == tuple(written)
