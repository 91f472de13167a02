# SPDX-License-Identifier: Apache-2.0
"""A workspace on the disk, its snapshots, and an overlay that a test writes as a guest would."""

import os
import stat
import subprocess
from pathlib import Path

from bbox_server.domain.change import Change, ChangeSet
from bbox_server.domain.excludes import is_secret
from bbox_server.domain.sensitive import classify
from bbox_server.domain.snapshot import Snapshot
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.limits import CHANGE_LIMITS, ChangeLimits
from bbox_server.infra.workspace.overlay import DiskOverlay, OverlayPlace
from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace

GIT_ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(directory: Path | str, *words: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(directory), *words), env=GIT_ENV, capture_output=True, check=True
    )
    return done.stdout.decode()


class Ground:
    """Everything below one directory."""

    def __init__(self, directory: Path, owner: SandboxUser | None = None) -> None:
        self.directory = directory
        self.workspace = directory / "project"
        self.workspace.mkdir()
        self.baselines = directory / "baselines"
        self.upper = directory / "session" / "upper"
        self.upper.parent.mkdir()
        self.owner = owner
        self.told: list[str] = []
        self.snapshots = DiskSnapshots(
            place=SnapshotPlace(root=self.baselines, owner=owner),
            excludes=DiskExcludes(),
            git=GitCommand(),
            progress=self.told.append,
        )

    @property
    def u(self) -> Path:
        return self.upper / "u"

    def write(self, name: str, content: bytes | str = b"x\n", mode: int = 0o644) -> Path:
        return put(self.workspace / name, content, mode)

    def agent(self, name: str, content: bytes | str = b"x\n", mode: int = 0o644) -> Path:
        """What the guest's overlayfs makes of a new or changed file."""
        return put(self.u / name, content, mode)

    def remove(self, name: str) -> None:
        """What the guest's overlayfs makes of a removal."""
        path = self.u / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(path, stat.S_IFCHR | 0o000, 0)

    def opaque(self, name: str) -> Path:
        """What the guest's overlayfs makes of a directory that replaced another."""
        path = self.u / name
        path.mkdir(parents=True, exist_ok=True)
        os.setxattr(path, "user.overlay.opaque", b"y")
        return path

    async def take(self, *excludes: str) -> Snapshot:
        return await self.snapshots.take(HostPath(str(self.workspace)), excludes)

    async def overlay(self, limits: ChangeLimits = CHANGE_LIMITS, *excludes: str) -> DiskOverlay:
        return self.open(await self.take(*excludes), limits)

    def open(self, snapshot: Snapshot, limits: ChangeLimits = CHANGE_LIMITS) -> DiskOverlay:
        return DiskOverlay(
            place=OverlayPlace(
                generation=snapshot.root, upper=HostPath(str(self.upper)), owner=self.owner
            ),
            excludes=DiskExcludes(),
            git=GitCommand(),
            classify=lambda path: classify(path, is_secret=is_secret),
            limits=limits,
        )

    def repository(self) -> None:
        git(self.workspace, "init", "-q", "-b", "main")

    def commit(self) -> None:
        git(self.workspace, "add", "-A", "-f")
        git(self.workspace, "commit", "-q", "-m", "all")


def put(path: Path, content: bytes | str, mode: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def names(snapshot: Snapshot) -> set[str]:
    """Every path of a generation but what is in `.git`."""
    root = Path(snapshot.root)
    found = (str(path.relative_to(root)) for path in root.rglob("*"))
    return {name for name in found if not name.startswith(".git/")}


def by_path(changes: ChangeSet) -> dict[str, Change]:
    return {str(change.path): change for change in changes.changes}


def at(snapshot: Snapshot, *parts: str) -> Path:
    """A path in a generation."""
    return Path(snapshot.root, *parts)
