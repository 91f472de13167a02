# SPDX-License-Identifier: Apache-2.0
"""Say what a run would be, and what would go into its guest, without a guest."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from bbox_server.application.allow_packages import AllowPackages
from bbox_server.application.configure_run import ConfigureRun
from bbox_server.application.prepare_run import PrepareRun
from bbox_server.domain.launch import Launch
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.session import SessionDirectories, SessionId
from bbox_server.domain.workspace import HostPath

NO_SESSION: Final = SessionId("00000000")
# Names a socket that nobody makes.
NOWHERE: Final = SessionDirectories(state=HostPath("/nowhere"), runtime=HostPath("/nowhere"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run that is prepared and not started.

    Attributes:
        image: As the user or the agent names it.
    """

    name: str
    image: str
    request: RunRequest
    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun:
    """Prepares exactly as a run does, up to where the session would be held.

    The snapshot is taken, because only that tells what is hidden; the next run builds on it.
    """

    configure: ConfigureRun
    prepare: PrepareRun
    packages: AllowPackages
    progress: ProgressObserver

    async def __call__(self, request: RunRequest) -> RunPlan:
        """Raises: as ConfigureRun and PrepareRun; a run would fail in the same way."""
        run = await asyncio.to_thread(self.configure, request)
        for text in run.warnings:
            self.progress.warned(text)
        run = replace(run, request=_without_seeding(run.request))
        launch = await self.prepare(run, NO_SESSION, NOWHERE)
        launch = replace(launch, policy=await self.packages(launch))
        image = request.image
        if not image and run.agent is not None:
            image = str(run.agent.image)
        return RunPlan(name=run.name, image=image, request=run.request, launch=launch)


def _without_seeding(request: RunRequest) -> RunRequest:
    """Seeding would save the host's login; it is taken for granted that there is one."""
    login = request.login
    return replace(request, login=replace(login, seed=False, inside=login.inside or login.seed))
