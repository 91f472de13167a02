# SPDX-License-Identifier: Apache-2.0
"""What every place for direct mode does."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bbox_server.domain.direct import DirectWorkspaces
from bbox_server.domain.session import SessionDirectories
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from bbox_server.infra.workspace.direct import DiskDirectWorkspaces
from tests.fakes.direct import MemoryDirectWorkspaces

USER = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})


def make_disk() -> DirectWorkspaces:
    return DiskDirectWorkspaces(user=USER, git=GitCommand(), upper="upper")


@pytest.mark.parametrize("make", [MemoryDirectWorkspaces, make_disk], ids=["fake", "disk"])
async def test_the_workspace_itself_is_shared_beside_an_upper_of_the_sessions(
    make: Callable[[], DirectWorkspaces], tmp_path: Path
) -> None:
    workspace, state, runtime = (tmp_path / name for name in ("workspace", "state", "runtime"))
    for path in (workspace, state, runtime):
        path.mkdir()
    os.chown(workspace, USER.uid, USER.gid)
    directories = SessionDirectories(state=HostPath(str(state)), runtime=HostPath(str(runtime)))
    share = await make().open(HostPath(str(workspace)), directories)
    assert (share.lower, share.is_direct) == (str(workspace), True)
    assert share.upper == f"{state}/upper"
    assert share.masks == ()
