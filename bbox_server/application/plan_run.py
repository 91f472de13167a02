# SPDX-License-Identifier: Apache-2.0
"""Say what a run would be, and what would go into its guest, without a guest."""

from dataclasses import dataclass, replace
from typing import Final

from bbox_server.application.prepare_run import PrepareRun
from bbox_server.domain.launch import Launch
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

    prepare: PrepareRun

    async def __call__(self, request: RunRequest) -> RunPlan:
        """Raises: as PrepareRun; a run would fail in the same way."""
        name = self.prepare.name(request)
        launch = await self.prepare(_without_seeding(request), NO_SESSION, NOWHERE)
        image = request.image
        if not image and request.agent is not None:
            image = str(self.prepare.agents.get(request.agent).image)
        return RunPlan(name=name, image=image, request=request, launch=launch)


def _without_seeding(request: RunRequest) -> RunRequest:
    """Seeding would save the host's login; it is taken for granted that there is one."""
    login = request.login
    return replace(request, login=replace(login, seed=False, inside=login.inside or login.seed))
