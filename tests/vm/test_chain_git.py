# SPDX-License-Identifier: Apache-2.0
"""Commits that are made in the guest reach refs of the user's repository, and nothing else does."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Bbox, make_bbox, make_repository

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]

RUN: Final = ("run", "--image", CODEX_IMAGE)
WORK: Final = r"""
set -e
git config user.name >/dev/null
printf 'two\n' >>tracked.txt
git commit -qam 'Second line'
printf 'new\n' >new.txt
git add new.txt && git commit -qm 'Add a file'
git status --short --branch
git log -1 --format='%an <%ae>'
"""
# What a hostile guest leaves for a git of the host's.
TRAPS: Final = r"""
for key in fsmonitor hooksPath sshCommand pager alternateRefsCommand; do
  git config "core.$key" /workspace/trap
done
mkdir -p .git/hooks
printf '#!/bin/sh\ntouch /tmp/bbox-trap-%s\n' "$TRAP" >trap
chmod +x trap && cp trap .git/hooks/reference-transaction
printf '* filter=trap diff=trap\n' >.git/info/attributes
git rev-parse HEAD >'.git/refs/heads/bad name'
"""


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    config = sandbox_dir / "gitconfig"
    config.write_text("[include]\n\tpath = who\n")
    (sandbox_dir / "who").write_text("[user]\n\tname = Ada\n\temail = ada@example.invalid\n")
    return make_bbox(sandbox_dir, {"GIT_CONFIG_GLOBAL": str(config), "TRAP": sandbox_dir.name})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "tracked.txt").write_text("one\n")
    make_repository(directory)
    return directory


def git(directory: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=directory, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_commits_come_back_as_a_ref_and_go_again(bbox: Bbox, project: Path) -> None:
    before = git(project, "for-each-ref"), git(project, "rev-parse", "HEAD")
    trap = Path("/tmp", f"bbox-trap-{bbox.env['TRAP']}")
    ran = bbox.run(*RUN, "--env-forward", "TRAP", "--", "sh", "-c", WORK + TRAPS, cwd=project)
    assert ran.code == 0, ran.error
    assert "## main" in ran.out
    assert "Ada <ada@example.invalid>" in ran.out
    assert git(project, "for-each-ref") == before[0]  # nothing before it is accepted

    session = bbox.sessions(project)[0]["id"]
    ref = f"refs/bbox/{session}/main"
    listed = json.loads(bbox.run("diff", "--json", cwd=project).out)["branches"]
    good = {branch["name"]: branch for branch in listed if "failure" not in branch}
    assert [commit["subject"] for commit in good["main"]["commits"]] == [
        "Add a file",
        "Second line",
    ]
    assert good["main"]["commits"][0]["files"] == [{"status": "A", "path": "new.txt"}]
    assert good.keys() == {"main"}
    assert "Second line" in bbox.run("diff", "--stat", cwd=project).out

    flushed = bbox.run("review", "--accept-all", "--flush", cwd=project)
    assert flushed.code == 0, flushed.error + flushed.out
    assert ref in flushed.out
    assert git(project, "log", "--format=%an:%s", f"{before[1]}..{ref}").splitlines() == [
        "Ada:Add a file",
        "Ada:Second line",
    ]
    assert git(project, "rev-parse", "HEAD") == before[1]
    assert not (project / ".git/hooks/reference-transaction").exists()
    assert not trap.exists()

    undone = bbox.run("undo", cwd=project)
    assert undone.code == 0, undone.error
    assert git(project, "for-each-ref") == before[0]
    assert (project / "tracked.txt").read_text() == "one\n"

    again = bbox.run("review", "--accept-all", cwd=project)
    assert again.code == 0, again.error
    forwarded = bbox.run("flush", "--fast-forward", "--json", cwd=project)
    assert forwarded.code == 0, forwarded.error
    moved = [update["ref"] for update in json.loads(forwarded.out)["refs"]]
    assert moved == [ref, "refs/heads/main"]
    assert git(project, "log", "-1", "--format=%s") == "Add a file"
    assert git(project, "status", "--short", "-uno") == ""
    assert bbox.run("undo", cwd=project).code == 0
    assert git(project, "rev-parse", "HEAD") == before[1]
    assert git(project, "status", "--short") == ""


def test_a_worktree_with_a_submodule_commits_in_both(
    bbox: Bbox, project: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "code").write_text("code\n")
    make_repository(library)
    tree = tmp_path / "tree"
    git(project, "worktree", "add", "-q", "-b", "side", str(tree))
    identity = ("-c", "user.name=User", "-c", "user.email=user@example.invalid")
    protocol = ("-c", "protocol.file.allow=always")
    git(tree, *protocol, "submodule", "--quiet", "add", str(library), "lib")
    git(tree, *identity, "commit", "-qm", "With lib")
    script = (
        "set -e; cd lib; echo more >>code; git commit -qam 'In the library'; "
        "cd ..; git commit -qam 'Move the library'; git status --short"
    )
    ran = bbox.run(*RUN, "--auto-accept", "--", "sh", "-c", script, cwd=tree)
    assert ran.code == 0, ran.error
    ref = f"refs/bbox/{bbox.sessions(tree)[0]['id']}"
    assert git(project, "log", "-1", "--format=%s", f"{ref}/side") == "Move the library"
    assert git(tree / "lib", "log", "-1", "--format=%s", f"{ref}/main") == "In the library"
    assert git(project, "log", "-1", "--format=%s", "side") == "With lib"


CREDENTIALS: Final = r"""
env; cat ~/.gitconfig ~/.ssh/known_hosts
ssh-add -l
ssh-add -D
git ls-remote hub
"""


@pytest.fixture
def agent(sandbox_dir: Path) -> Iterator[str]:
    """The user's SSH agent, with one key."""
    key, socket = sandbox_dir / "id", str(sandbox_dir / "agent.sock")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@home", "-f", str(key)]
    subprocess.run(make, check=True)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    try:
        environ = {"SSH_AUTH_SOCK": socket, "PATH": os.environ["PATH"]}
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environ)
        yield socket
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_credentials_are_used_in_the_guest_and_stay_on_the_host(
    sandbox_dir: Path, project: Path, agent: str
) -> None:
    host_key = (sandbox_dir / "id.pub").read_text()
    (sandbox_dir / ".ssh").mkdir()
    (sandbox_dir / ".ssh/known_hosts").write_text(f"forge.example.invalid {host_key}")
    token = "ghp_the-host-alone-has-this"  # noqa: S105 - none
    environ = {"HOME": str(sandbox_dir), "SSH_AUTH_SOCK": agent, "GITHUB_TOKEN": token}
    bbox = make_bbox(sandbox_dir, environ)
    git(project, "remote", "add", "origin", "git@forge.example.invalid:ada/tally.git")
    git(project, "remote", "add", "hub", "https://github.com/ada/tally.git")
    options = ("--git-token", "--git-ssh-agent", "--env-forward", "GITHUB_*")
    ran = bbox.run(*RUN, *options, "--", "sh", "-c", CREDENTIALS, cwd=project)
    assert "with your GitHub token, which stays on this host" in ran.error
    assert "log in to forge.example.invalid with your SSH agent" in ran.error
    assert {"BBOX_GIT_TOKEN_AVAILABLE=1", "BBOX_SSH_AGENT_AVAILABLE=1"} <= set(ran.out.split())
    assert "forge.example.invalid ssh-ed25519" in ran.out
    assert "256 SHA256:" in ran.out  # the agent's key, by its print
    assert "ada@home" not in ran.out
    assert token not in ran.out + ran.error
    listed = subprocess.run(
        ["ssh-add", "-l"], env={**bbox.env}, check=True, capture_output=True, text=True
    )
    assert "ada@home" in listed.stdout  # nothing was removed
    events = [json.loads(line) for line in bbox.run("logs", "--json", cwd=project).out.splitlines()]
    uses = {event["provider"] for event in events if event["kind"] == "credential.used"}
    assert uses == {"github:ada/tally"}
    assert token not in json.dumps(events)
