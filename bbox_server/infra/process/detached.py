# SPDX-License-Identifier: Apache-2.0
"""A process that is meant to outlive this one."""

import subprocess
from collections.abc import Mapping

from bbox_server.infra.process.programs import find_program


def launch_detached(
    argv: tuple[str, ...], *, env: Mapping[str, str], log_fd: int, pass_fds: tuple[int, ...]
) -> None:
    """Start a program in a session of its own, adopted by init; its words go to a log.

    Raises:
        BboxError: dependency.missing.
    """
    # setsid --fork returns at once, so that nobody here has to reap the program (util-linux).
    subprocess.run(
        (find_program("setsid"), "--fork", *argv),
        stdin=subprocess.DEVNULL,
        stdout=log_fd,
        stderr=log_fd,
        env=dict(env),
        cwd="/",
        pass_fds=pass_fds,
        check=True,
    )
