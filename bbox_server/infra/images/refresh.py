# SPDX-License-Identifier: Apache-2.0
"""A look at a registry that nobody waits for, by a process of its own (P-63)."""

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bbox_server.domain.image import ImageReference
from bbox_server.infra.process.detached import launch_detached

_PROGRAM: Final = "from bbox_server.bootstrap.commands import refresh_image; refresh_image()"
_LOCK: Final = "refresh.lock"


def launch_refresh(
    reference: ImageReference, *, environ: Mapping[str, str], log: Path, program: str = _PROGRAM
) -> None:
    """Start it; the run goes on with what is here.

    The name stands for the old image until the new one is whole, and if nothing comes of it.

    Args:
        reference: A registry's.
        environ: The user's: where logins and proxies are named.
        log: Of the last one only; why it failed is there.
        program: Python that does it; the reference is its argument.
    """
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        launch_detached(
            (sys.executable, "-I", "-c", program, str(reference)),
            env=environ,
            log_fd=fd,
            pass_fds=(),
        )
    finally:
        os.close(fd)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Be the only refresh; ends the process when there is another one."""
    fd = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        sys.exit(0)
    try:
        yield
    finally:
        os.close(fd)
