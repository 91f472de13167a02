# SPDX-License-Identifier: Apache-2.0
"""An agent that commits: what its git leaves is put where its overlayfs would leave it."""

import filecmp
import shutil
from pathlib import Path

from bbox_server.domain.flush import FlushId
from bbox_server.domain.session import SessionId
from bbox_server.domain.snapshot import Snapshot
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.agent_commits import GitAgentCommits
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.agent_refs import OverlayGit
from bbox_server.infra.workspace.overlay import OverlayPlace
from tests.infra.workspace.ground import Ground, git

SESSION = SessionId("3f9a1c07")
FLUSH = FlushId(1)


class AgentGround(Ground):
    """A workspace with a commit, and the agent's view of it in `guest`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.guest = directory / "guest"
        self._snapshot: Snapshot | None = None

    async def start(self) -> None:
        """Take the snapshot, and give the agent a copy of it to work in."""
        self._snapshot = await self.take()
        self.open(self._snapshot).close()  # makes the upper directory
        shutil.copytree(self._snapshot.root, self.guest, symlinks=True)

    @property
    def generation(self) -> Path:
        assert self._snapshot is not None
        return Path(self._snapshot.root)

    def work(self, *words: str, directory: str = "") -> str:
        """git, as the agent runs it."""
        return git(self.guest / directory, *words)

    def edit(self, name: str, text: str) -> None:
        path = self.guest / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commits_all(self, subject: str, directory: str = "") -> str:
        """Commit everything; gives the commit's name."""
        self.work("add", "-A", directory=directory)
        self.work("commit", "-q", "-m", subject, directory=directory)
        return self.work("rev-parse", "HEAD", directory=directory).strip()

    def publish(self) -> None:
        """Bring the upper directory up to date with what the agent has."""
        for path in sorted(self.guest.rglob("*")):
            inner = path.relative_to(self.guest)
            below = self.generation / inner
            if path.is_file() and not (below.is_file() and filecmp.cmp(path, below, shallow=False)):
                target = self.u / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        for below in sorted(self.generation.rglob("*")):
            inner = below.relative_to(self.generation)
            is_first = (self.guest / inner).parent.exists()
            if is_first and not (self.guest / inner).exists() and not (self.u / inner).exists():
                self.remove(str(inner))

    def commits(self) -> GitAgentCommits:
        """As a process that begins anew."""
        return GitAgentCommits(
            view=OverlayGit(
                place=OverlayPlace(
                    generation=HostPath(str(self.generation)), upper=HostPath(str(self.upper))
                ),
                git=GitCommand(),
            ),
            session=SESSION,
            workspace=HostPath(str(self.workspace)),
            directory=self.upper.parent / "git",
        )

    def host(self, *words: str, directory: str = "") -> str:
        """git, as the user runs it."""
        return git(self.workspace / directory, *words)
