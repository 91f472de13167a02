# SPDX-License-Identifier: Apache-2.0
"""What of a direct share is masked (P-37), and which workspaces are refused."""

import os
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionDirectories
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace import direct
from bbox_server.infra.workspace.direct import DiskDirectWorkspaces

OWNER = SandboxUser(uid=os.geteuid() or 4321, gid=os.getegid() or 4321)


class Ground:
    """A workspace of the sandbox user, and a session's directories."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.state, self.runtime = root / "w", root / "s", root / "r"
        for path in (self.workspace, self.state, self.runtime):
            path.mkdir()
        os.chown(self.workspace, OWNER.uid, OWNER.gid)
        self.private: tuple[Path, ...] = ()

    def add(self, name: str, content: str = "x") -> Path:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    async def masks(self) -> dict[str, str]:
        """Masked path, relative, and what is seen there: text, or the names of a directory."""
        workspaces = DiskDirectWorkspaces(
            user=OWNER, git=GitCommand(), upper="upper", private=self.private
        )
        share = await workspaces.open(
            HostPath(str(self.workspace)),
            SessionDirectories(
                state=HostPath(str(self.state)), runtime=HostPath(str(self.runtime))
            ),
        )
        assert share.is_direct
        assert share.lower == str(self.workspace)
        return {
            str(Path(mask.path).relative_to(self.workspace)): self._seen(Path(mask.source))
            for mask in share.masks
        }

    @staticmethod
    def _seen(source: Path) -> str:
        return str(list(source.iterdir())) if source.is_dir() else source.read_text()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


async def test_secrets_are_masked_wherever_they_are(ground: Ground) -> None:
    for name in ("a.txt", ".env", "deep/er/.ENV.local", "deep/.ssh/id", "deep/.ssh/config"):
        ground.add(name)
    assert await ground.masks() == {".env": "", "deep/er/.ENV.local": "", "deep/.ssh": "[]"}


async def test_git_settings_are_shown_without_what_they_hold_and_hooks_not_at_all(
    ground: Ground,
) -> None:
    for name in ("HEAD", "objects/x", "refs/x"):
        ground.add(f".git/{name}")
    ground.add(".git/hooks/post-commit", "#!/bin/sh")
    url = "https://user:token@example.com/x"
    ground.add(
        ".git/config", f'[core]\n\tbare = false\n\tsshCommand = x\n[remote "o"]\n\turl = {url}\n'
    )
    masks = await ground.masks()
    assert masks.keys() == {".git/config", ".git/hooks"}
    assert "example.com/x" in masks[".git/config"]
    assert "token" not in masks[".git/config"]
    assert "sshCommand" not in masks[".git/config"]
    assert masks[".git/hooks"] == "[]"


async def test_links_are_not_masked_and_not_followed(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/.env").touch()
    (ground.workspace / "link").symlink_to(tmp_path / "outside")
    (ground.workspace / ".env").symlink_to("elsewhere")
    assert await ground.masks() == {}


async def test_our_own_directories_in_a_workspace_are_masked(ground: Ground) -> None:
    ground.add(".local/state/bbox/sessions/x")
    ground.private = (ground.workspace / ".local/state/bbox", Path("/elsewhere"))
    assert await ground.masks() == {".local/state/bbox": "[]"}


async def test_too_many_secrets_are_refused(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "MASKS_LIMIT", 2)
    for number in range(3):
        ground.add(f"{number}.pem")
    with pytest.raises(BboxError, match=r"More than 2 secrets") as raised:
        await ground.masks()
    assert raised.value.code is ErrorCode.SNAPSHOT_LIMIT


async def test_a_workspace_of_somebody_else_is_refused(ground: Ground) -> None:
    workspaces = DiskDirectWorkspaces(
        user=SandboxUser(uid=OWNER.uid + 1, gid=1), git=GitCommand(), upper="upper"
    )
    directories = SessionDirectories(
        state=HostPath(str(ground.state)), runtime=HostPath(str(ground.runtime))
    )
    for workspace in (str(ground.workspace), "/", str(ground.workspace / "absent")):
        with pytest.raises(BboxError) as raised:
            await workspaces.open(HostPath(workspace), directories)
        assert raised.value.code is ErrorCode.WORKSPACE_INVALID
    assert not (ground.runtime / "masks").exists()
