# SPDX-License-Identifier: Apache-2.0
"""The identity in the user's own git configuration."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError
from bbox_server.domain.git import Setting
from bbox_server.domain.identity import GitIdentities, GitIdentity, UrlRewrite
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.repositories import read_settings
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command

DEADLINE_S: Final = 5.0
OUTPUT_LIMIT_BYTES: Final = 1 << 20
# What decides which files git reads. Nothing that names a repository: the directory does that, so
# that git refuses somebody else's as it refuses it to the user (safe.directory).
VARIABLES: Final = ("PATH", "HOME", "XDG_CONFIG_HOME")
PREFIX: Final = "GIT_CONFIG_"
WANTED: Final = r"^(user\.(name|email)|url\..*\.insteadof|remote\..*\.(push)?url)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGitIdentity(GitIdentities):
    """Asks git in the workspace, so that includes count as they do for the user's own commits.

    `includeIf` looks at where the repository is, at its branch or its remotes, and only git knows
    all of its conditions. The workspace is never the guest's to write, and `git config` starts no
    program of a repository's.
    """

    environ: Mapping[str, str] = field(repr=False)

    @override
    async def find(self, workspace: HostPath) -> GitIdentity:
        env = {
            name: value
            for name, value in self.environ.items()
            if name in VARIABLES or name.startswith(PREFIX)
        }
        command = Command(
            argv=("git", "config", "-z", "--get-regexp", WANTED),
            env={**env, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
            directory=workspace,
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                completed = await run(command, limit_bytes=OUTPUT_LIMIT_BYTES)
        except (BboxError, TimeoutError, OSError):
            return GitIdentity()
        return _identity(read_settings(completed.output)) if completed.exit_code == 0 else _NOBODY


_NOBODY: Final = GitIdentity()


def _identity(settings: Iterable[Setting]) -> GitIdentity:
    """The last value of a name counts (git-config(1)); lists keep all."""
    last: dict[str, str] = {}
    rewrites: list[UrlRewrite] = []
    remotes: list[str] = []
    for setting in settings:
        value = setting.value or ""
        match setting.section, setting.subsection:
            case "user", None:
                last[setting.key] = value
            case "url", str(base):
                rewrites.append(UrlRewrite(base=base, instead_of=value))
            case "remote", str():
                remotes.append(value)
            case _:
                pass
    return GitIdentity(
        name=last.get("name", "").strip(),
        email=last.get("email", "").strip(),
        rewrites=tuple(rewrites),
        remotes=tuple(dict.fromkeys(remotes)),
    )
