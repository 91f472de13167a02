# SPDX-License-Identifier: Apache-2.0
"""Tell what is missing on this machine, and how to get it."""

import asyncio
from dataclasses import dataclass
from typing import Final

from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.agent import Agent
from bbox_server.domain.config.problem import FindingKind
from bbox_server.domain.doctor import Check, CheckStatus, HostInspector
from bbox_server.domain.error import BboxError, first_error
from bbox_server.domain.escape import escape_text
from bbox_server.domain.image import ImageStore
from bbox_server.domain.vm import Accelerator, VmBackend

NO_KVM: Final = "Use a machine with KVM (and nested virtualisation in a VM)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnose:
    """Everything that an agent needs, from the machine to its image."""

    host: HostInspector
    backend: VmBackend
    images: ImageStore
    configs: ResolveConfig

    async def __call__(self) -> tuple[Check, ...]:
        """All findings; never raises for something that is missing."""
        checks = await self.host.inspect()
        config, agents = self._config()
        return (*checks, await self._accelerator(), *await self._images(agents), config)

    def _config(self) -> tuple[Check, tuple[Agent, ...]]:
        """The user's config file, and the agents that there are with it."""
        path = self.configs.files.user_path(None)
        try:
            resolved = self.configs(None)
        except BboxError as error:
            failed = _config_check(CheckStatus.FAILED, error.cause, error.remediation)
            return failed, self.configs.built_in.list()
        agents = resolved.agents.list()
        wrong = [str(one) for one in resolved.findings if one.kind is FindingKind.INVALID]
        if wrong:
            remedy = "`bbox config validate` names all that is wrong."
            return _config_check(CheckStatus.WARNING, wrong[0], remedy), agents
        return _config_check(CheckStatus.OK, f"{path} is valid, or not there"), agents

    async def _accelerator(self) -> Check:
        try:
            verdict = await self.backend.probe()
        except (BboxError, ExceptionGroup) as error:
            failure = error if isinstance(error, BboxError) else first_error(error)
            if failure is None:
                raise
            return Check(
                name="accelerator",
                status=CheckStatus.FAILED,
                detail=failure.cause,
                remediation=failure.remediation,
            )
        emulated = verdict.accelerator is Accelerator.TCG
        return Check(
            name="accelerator",
            status=CheckStatus.WARNING if emulated else CheckStatus.OK,
            detail=verdict.warning or f"{verdict.accelerator.value}: a probe guest booted",
            remediation=(verdict.remedy or NO_KVM) if emulated else "",
        )

    async def _images(self, agents: tuple[Agent, ...]) -> list[Check]:
        async with asyncio.TaskGroup() as tasks:
            stored = tasks.create_task(self.images.list())
        present = {reference for image in stored.result() for reference in image.references}
        found = [agent for agent in agents if agent.image in present]
        if found:
            names = ", ".join(agent.name for agent in found)
            return [Check(name="images", status=CheckStatus.OK, detail=f"here for: {names}")]
        return [
            Check(
                name="images",
                status=CheckStatus.WARNING,
                detail="no agent's image is here",
                remediation="Build one: `make image-codex` in a checkout.",
            )
        ]


def _config_check(status: CheckStatus, detail: str, remediation: str = "") -> Check:
    return Check(
        name="configuration",
        status=status,
        detail=escape_text(detail),
        remediation=remediation,
    )
