# SPDX-License-Identifier: Apache-2.0
"""The identity in the user's own git configuration."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError
from bbox_server.domain.identity import GitIdentities, GitIdentity
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command

DEADLINE_S: Final = 5.0
# What decides which files git reads; nothing of the workspace is among them.
VARIABLES: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGitIdentity(GitIdentities):
    """Asks git outside of any repository, so that includes are followed as git does."""

    environ: Mapping[str, str] = field(repr=False)

    @override
    async def find(self) -> GitIdentity:
        return GitIdentity(
            name=await self._value("user.name"), email=await self._value("user.email")
        )

    async def _value(self, key: str) -> str:
        env = {name: self.environ[name] for name in VARIABLES if name in self.environ}
        command = Command(argv=("git", "config", "--get", key), env=env, directory="/")
        try:
            async with asyncio.timeout(DEADLINE_S):
                completed = await run(command)
        except (BboxError, TimeoutError):
            return ""
        return (
            completed.output.decode("utf-8", "replace").strip() if not completed.exit_code else ""
        )
