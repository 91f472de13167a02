# SPDX-License-Identifier: Apache-2.0
"""Find all that a run is made of, at the same time."""

import asyncio
from dataclasses import dataclass

from bbox_server.domain.agent import (
    Agent,
)
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.identity import (
    GitIdentities,
    GitIdentity,
)
from bbox_server.domain.image import ImageStore, PullPolicy, RootFilesystem, parse_reference
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.snapshot import Snapshot, Snapshots
from bbox_server.domain.vm import AcceleratorVerdict, VmBackend


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What was found at the same time."""

    root: RootFilesystem
    snapshot: Snapshot | None
    verdict: AcceleratorVerdict
    identity: GitIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherIngredients:
    """Image, snapshot, accelerator and identity: none waits for another."""

    images: ImageStore
    snapshots: Snapshots
    identities: GitIdentities
    backend: VmBackend
    progress: ProgressObserver

    async def __call__(self, request: RunRequest, agent: Agent | None) -> Ingredients:
        """Raises: image.*, snapshot.*, workspace.invalid, dependency.missing."""
        async with asyncio.TaskGroup() as tasks:
            root = tasks.create_task(self._root(request, agent))
            snapshot = tasks.create_task(self._snapshot(request))
            verdict = tasks.create_task(self.backend.probe())
            identity = tasks.create_task(self.identities.find(request.workspace))
        if verdict.result().warning:
            self.progress.warned(verdict.result().warning)
        return Ingredients(
            root=root.result(),
            snapshot=snapshot.result(),
            verdict=verdict.result(),
            identity=identity.result(),
        )

    async def _root(self, request: RunRequest, agent: Agent | None) -> RootFilesystem:
        self.progress.started(Phase.IMAGE, "Finding the image…")
        if request.image or agent is None:
            reference = parse_reference(request.image, directory=request.workspace)
        else:
            reference = agent.image
        if request.pull.afresh:
            root = await self.images.refetch(reference)
        else:
            policy = request.pull.policy or PullPolicy.BACKGROUND
            root = await self.images.resolve(reference, policy)
        # P-73: which one it is, whatever its name says.
        self.progress.finished(Phase.IMAGE, f"Image {reference}, sha256:{root.digest[:12]}")
        return root

    async def _snapshot(self, request: RunRequest) -> Snapshot | None:
        if request.mode is WorkspaceMode.DIRECT:
            return None
        self.progress.started(Phase.SNAPSHOT, "Taking a snapshot of the workspace…")
        snapshot = await self.snapshots.take(request.workspace, request.excludes)
        report = snapshot.report
        count = report.excluded + report.secret
        hidden = f", {count} hidden" if count else ""
        self.progress.finished(Phase.SNAPSHOT, f"Snapshot of {report.files} files{hidden}")
        for skipped in report.skipped:
            self.progress.warned(f"Not in the snapshot: {skipped}")
        for warning in report.warnings:
            self.progress.warned(warning)
        return snapshot
