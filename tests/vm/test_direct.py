# SPDX-License-Identifier: Apache-2.0
"""Direct mode on a real microVM: the workspace itself, with masks (CLI-14, CLI-15, P-37)."""

import os
from pathlib import Path
from typing import Final

import pytest

from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from tests.vm.bbox_command import CODEX_IMAGE, Bbox, Finished, make_bbox, make_repository

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]

USER: Final = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})
WORK: Final = r"""
cat tracked.txt .env; cat .git/config; ls .git/hooks; git status --short
echo changed >tracked.txt; mkdir new; echo 1 >new/file; ln -s tracked.txt link; rm -f .env
chmod +x new/file; echo x >.git/hooks/post-commit; stat -c %U tracked.txt
"""


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


@pytest.fixture
def workspace(sandbox_dir: Path) -> Path:
    directory = sandbox_dir / "project"
    directory.mkdir()
    (directory / "tracked.txt").write_text("tracked\n")
    (directory / ".gitignore").write_text(".env\n")
    (directory / ".env").write_text("SECRET=1\n")
    make_repository(directory)
    with (directory / ".git/config").open("a") as config:
        config.write('[remote "o"]\n\turl = https://me:sekrit@example.invalid/x\n')
    for path in (directory, *directory.rglob("*")):
        os.chown(path, USER.uid, USER.gid, follow_symlinks=False)
    return directory


def run(bbox: Bbox, workspace: Path, *options: str) -> Finished:
    words = ("run", "--image", CODEX_IMAGE, "--workspace-mode", "direct", *options)
    return bbox.run(*words, "--workspace", str(workspace), "--", "sh", "-c", WORK, cwd=bbox.home)


def test_the_agent_works_in_the_workspace_itself_and_sees_no_secret(
    bbox: Bbox, workspace: Path
) -> None:
    refused = run(bbox, workspace)
    assert (refused.code, "workspace.not-acknowledged" in refused.error) == (1, True)
    assert (workspace / "tracked.txt").read_text() == "tracked\n"

    ran = run(bbox, workspace, "--yes")
    assert "Direct mode: the agent writes to" in ran.error
    assert "Direct mode: what the agent changed is in the workspace." in ran.error
    lines = ran.out.splitlines()
    assert (lines[0], lines[-1]) == ("tracked", "sandbox"), ran.error
    assert "sekrit" not in ran.out
    assert "SECRET" not in ran.out
    assert "example.invalid/x" in ran.out
    assert "post-commit" not in ran.out
    assert (workspace / "tracked.txt").read_text() == "changed\n"
    assert (workspace / "new/file").stat().st_mode & 0o777 == 0o755
    assert (workspace / "new/file").stat().st_uid == USER.uid
    assert (workspace / "link").readlink() == Path("tracked.txt")
    assert (workspace / ".env").read_text() == "SECRET=1\n"
    assert not (workspace / ".git/hooks/post-commit").exists()

    again = run(bbox, workspace)  # acknowledged once
    assert again.out.startswith("changed\n"), again.error
    assert [session["state"] for session in bbox.sessions(workspace)] == ["done", "done"]
