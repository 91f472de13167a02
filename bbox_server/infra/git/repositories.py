# SPDX-License-Identifier: Apache-2.0
"""The git command, asked without any configuration but what its command line says."""

import os
from collections.abc import Mapping
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git import GitRepositories, Setting
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.capture import Completed, run_blocking
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.printable import printable
from bbox_server.infra.process.programs import PLAIN_ENVIRONMENT

_TIMEOUT_S: Final = 120.0
_OUTPUT_LIMIT_BYTES: Final = 512 << 20
_ENVIRONMENT: Final[Mapping[str, str]] = {
    **PLAIN_ENVIRONMENT,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
}
# A repository's own settings could name programs; these are the ones that such commands start.
_OVERRIDES: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class GitCommand(GitRepositories):
    """The installed git."""

    @override
    def tracked(self, git_dir: HostPath) -> tuple[str, ...]:
        answer = self._ask(f"--git-dir={git_dir}", "ls-files", "-z", "--cached")
        return tuple(os.fsdecode(answer.output).split("\0")[:-1])

    @override
    def settings(self, config: bytes) -> tuple[Setting, ...]:
        answer = self._ask("config", "--file", "-", "--no-includes", "-z", "--list", stdin=config)
        return read_settings(answer.output)

    @override
    def skip_worktree(self, git_dir: HostPath, paths: tuple[str, ...]) -> None:
        listed = b"".join(os.fsencode(path) + b"\0" for path in paths)
        self._ask(
            f"--git-dir={git_dir}", "update-index", "--skip-worktree", "-z", "--stdin",
            stdin=listed,
        )  # fmt: skip

    def _ask(self, *words: str, stdin: bytes | None = None) -> Completed:
        command = Command(argv=("git", *_OVERRIDES, *words), env=_ENVIRONMENT, stdin=stdin)
        answer = run_blocking(command, timeout_s=_TIMEOUT_S, limit_bytes=_OUTPUT_LIMIT_BYTES)
        if answer.exit_code != 0:
            said = answer.errors.strip().splitlines() or [b"no message"]
            raise BboxError(
                ErrorCode.GIT_FAILED,
                cause=printable(said[-1]),
                remediation="Run `git status` in the workspace, and repair the repository.",
            )
        return answer


def read_settings(listed: bytes) -> tuple[Setting, ...]:
    """What `git config -z --list` printed, or --get-regexp."""
    return tuple(_setting(line) for line in listed.split(b"\0")[:-1])


def _setting(line: bytes) -> Setting:
    name, has_value, value = line.decode("utf-8", "surrogateescape").partition("\n")
    section, _, rest = name.partition(".")
    subsection, has_subsection, key = rest.rpartition(".")
    return Setting(
        section=section.lower(),
        subsection=subsection if has_subsection else None,
        key=key.lower(),
        value=value if has_value else None,
    )
