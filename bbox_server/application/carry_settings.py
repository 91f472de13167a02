# SPDX-License-Identifier: Apache-2.0
"""The user's settings of an agent as files for the guest."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.agent import Agent
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.settings import CarriedSettings, SettingsSource
from bbox_server.domain.workspace import HostPath

SHOWN: Final = 10
"""Faults that are named one by one; `--dry-run` names them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrySettings:
    """Reads what the agent's manifest names and the user lets in (compat SET)."""

    source: SettingsSource
    progress: ProgressObserver

    async def __call__(
        self, request: RunRequest, agent: Agent | None, own: tuple[GuestFile, ...]
    ) -> CarriedSettings:
        """What is carried; `own` are the files that bbox itself writes for the agent.

        Raises: settings.missing.
        """
        home = request.environ.get("HOME", "")
        entries = request.settings.chosen(agent.settings) if agent is not None else ()
        if not entries or not home:
            return CarriedSettings()
        found = await self.source.read(
            HostPath(home), entries, {file.path: file.content for file in own}
        )
        for skipped in found.skipped[:SHOWN]:
            self.progress.warned(f"Not carried: ~/{skipped.source}: {skipped.reason}")
        if len(found.skipped) > SHOWN:
            self.progress.warned(f"Not carried: {len(found.skipped) - SHOWN} more; see --dry-run")
        for file in found.files:
            if file.secrets_left_out:
                names = ", ".join(file.secrets_left_out)
                self.progress.noted(f"~/{file.source} is carried without its credentials: {names}")
        return found


def with_settings(own: tuple[GuestFile, ...], carried: CarriedSettings) -> tuple[GuestFile, ...]:
    """Files for the guest's home: a carried file has bbox's own of the same path in it."""
    taken: set[PurePosixPath] = {file.path for file in carried.files}
    return (
        *(file for file in own if file.path not in taken),
        *(
            GuestFile(path=file.path, content=file.content, mode=file.mode)
            for file in carried.files
        ),
    )
