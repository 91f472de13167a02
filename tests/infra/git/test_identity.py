# SPDX-License-Identifier: Apache-2.0
"""Who the user is to git in a workspace (compat GIT-09, CFG of git itself)."""

import os
import subprocess
from pathlib import Path

import pytest

from bbox_server.domain.identity import GitIdentity, UrlRewrite
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.identity import UserGitIdentity


class Home:
    """A user's home with a project in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = directory / "work" / "project"
        self.project.mkdir(parents=True)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(directory)}

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *words: str) -> None:
        command = ("git", "-C", str(self.project), *words)
        subprocess.run(command, check=True, env=self.environ, capture_output=True)

    async def find(self) -> GitIdentity:
        adapter = UserGitIdentity(environ={**self.environ, "GIT_DIR": "/nowhere"})
        return await adapter.find(HostPath(str(self.project)))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def test_includes_count_and_the_last_value_wins(home: Home) -> None:
    home.write(".gitconfig", "[user]\n\tname = A\n[include]\n\tpath = more\n")
    home.write("more", '[user]\n\tname = "B # C" ; note\n\temail = b@example.org\n')
    found = await home.find()
    assert (found.name, found.email) == ("B # C", "b@example.org")


async def test_a_condition_on_the_directory_is_gits_to_judge(home: Home) -> None:
    home.write(".gitconfig", '[user]\n\temail = me@home\n[includeIf "gitdir:~/work/"]\npath = w\n')
    home.write("w", "[user]\n\temail = me@work\n")
    assert (await home.find()).email == "me@home"
    home.git("init", "-q")
    assert (await home.find()).email == "me@work"


@pytest.mark.parametrize("condition", ["onbranch:side", "hasconfig:remote.*.url:https://e.org/**"])
async def test_conditions_on_branch_and_remote_count(home: Home, condition: str) -> None:
    home.write(".gitconfig", f'[user]\nemail = me@home\n[includeIf "{condition}"]\npath = w\n')
    home.write("w", "[user]\n\temail = me@work\n")
    home.git("init", "-q", "-b", "side")
    home.git("config", "remote.origin.url", "https://e.org/o/r")
    assert (await home.find()).email == "me@work"


async def test_the_repositorys_own_identity_goes_first(home: Home) -> None:
    home.write(".config/git/config", "[user]\n\tname = A\n\temail = a@example.org\n")
    home.git("init", "-q")
    home.git("config", "user.email", "b@example.org")
    found = await home.find()
    assert (found.name, found.email) == ("A", "b@example.org")


async def test_rewrites_and_remotes_are_found(home: Home) -> None:
    home.write(".gitconfig", '[url "https://m.example.org/"]\n\tinsteadOf = https://e.org/\n')
    home.git("init", "-q")
    home.git("config", "remote.origin.url", "git@github.com:o/r.git")
    home.git("config", "remote.origin.pushurl", "https://github.com/o/r.git")
    found = await home.find()
    assert found.rewrites == (
        UrlRewrite(base="https://m.example.org/", instead_of="https://e.org/"),
    )
    assert found.remotes == ("git@github.com:o/r.git", "https://github.com/o/r.git")


async def test_no_program_of_the_repository_is_started(home: Home) -> None:
    proof = home.directory / "started"
    home.git("init", "-q")
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "alias.config", "pager.config"):
        home.git("config", key, f"touch {proof}; true")
    home.git("config", "user.name", "A")
    assert (await home.find()).name == "A"
    assert not proof.exists()


@pytest.mark.parametrize("text", ["", "[user\n", "[user]\nname\n"])
async def test_nobody_is_found_in_files_without_a_name(home: Home, text: str) -> None:
    home.write(".gitconfig", text)
    assert await home.find() == GitIdentity()


async def test_without_git_there_is_nobody(home: Home) -> None:
    home.environ["PATH"] = str(home.directory)
    assert await home.find() == GitIdentity()
