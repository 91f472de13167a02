# SPDX-License-Identifier: Apache-2.0
"""git for work on objects that a guest made, and on the user's own repository beside them.

Never in a directory that the guest can write. No configuration but the repository's own and what is
said here; no hook, monitor, pager or helper; bounded in time and memory.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.capture import Completed, run_blocking
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.printable import printable
from bbox_server.infra.process.programs import PLAIN_ENVIRONMENT
from bbox_server.infra.process.sandbox_user import SandboxUser

ENVIRONMENT: Final[Mapping[str, str]] = {
    **PLAIN_ENVIRONMENT,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "file",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
}
# A repository's own settings could name programs; these are the ones that our commands start.
OVERRIDES: Final = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.alternateRefsCommand=",
    "core.attributesFile=/dev/null",
    "core.packedGitLimit=512m",
    "core.packedGitWindowSize=64m",
    "fetch.fsckObjects=true",
    "fetch.writeCommitGraph=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
)
# What a pack of a few kilobytes may make git do: deltas multiply.
LIMITS: Final = ("prlimit", f"--as={6 << 30}", "--cpu=300", f"--fsize={4 << 30}", "--core=0")
_TIMEOUT_S: Final = 300.0
_OUTPUT_LIMIT_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeGit:
    """One repository.

    Attributes:
        git_dir: Its directory, or the file that names it.
        work_tree: Where its files are; None for a bare one.
        user: Who git is; None keeps the caller.
    """

    git_dir: Path
    work_tree: Path | None = None
    user: SandboxUser | None = field(default=None)

    def ask(self, *words: str, stdin: bytes | int | None = None) -> bytes:
        """What git answers. Raises: git.failed, dependency.missing, process.failed."""
        answer = self._run(words, stdin)
        if answer.exit_code != 0:
            raise failed(answer.errors)
        return answer.output

    def agrees(self, *words: str) -> bool:
        """Whether a question ends with success. Raises: dependency.missing, process.failed."""
        return self._run(words, None).exit_code == 0

    def _run(self, words: tuple[str, ...], stdin: bytes | int | None) -> Completed:
        place = [f"--git-dir={self.git_dir}"]
        if self.work_tree is not None:
            place.append(f"--work-tree={self.work_tree}")
        settings = (word for override in OVERRIDES for word in ("-c", override))
        command = Command(
            argv=(*LIMITS, "git", *settings, *place, *words),
            env=ENVIRONMENT,
            directory=str(self.work_tree or "/"),
            stdin=stdin,
            user=self.user,
        )
        return run_blocking(command, timeout_s=_TIMEOUT_S, limit_bytes=_OUTPUT_LIMIT_BYTES)


def users_git(work_tree: Path) -> SafeGit:
    """The user's repository of a work tree. Root's git becomes the repository's owner.

    Raises: git.failed where there is none any more.
    """
    git_dir = work_tree / ".git"
    try:
        owner = git_dir.lstat()
    except OSError as error:
        raise failed(f"{git_dir}: {error.strerror}".encode()) from error
    is_anothers = os.geteuid() == 0 and owner.st_uid != 0
    user = SandboxUser(uid=owner.st_uid, gid=owner.st_gid) if is_anothers else None
    return SafeGit(git_dir=git_dir, work_tree=work_tree, user=user)


def failed(said: bytes) -> BboxError:
    """The error for what git said: its first complaint, or its last word."""
    lines = said.strip().splitlines() or [b"no message"]
    line = next((line for line in lines if line.startswith(b"error: ")), lines[-1])
    return BboxError(
        ErrorCode.GIT_FAILED,
        cause=printable(line.removeprefix(b"error: ").removeprefix(b"fatal: ")),
        remediation="Run `git status` in the workspace, and repair the repository.",
    )
