# SPDX-License-Identifier: Apache-2.0
"""Shells over a channel of the VM."""

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.terminal import GuestShell, GuestUser, ShellConnector
from bbox_server.domain.vm import OwnedFd, ShellIdentity
from bbox_server.infra.ssh.identity import new_identity

LOGIN_TIMEOUT_S: Final = 30.0


class AsyncsshConnector(ShellConnector):
    """Logs in with the session's own keys and nothing of the user's: no agent, no config.

    asyncssh takes half a second to load, which `warm_up` spends while the guest boots.
    """

    def __init__(self, login_timeout_s: float = LOGIN_TIMEOUT_S) -> None:
        self._login_timeout_s = login_timeout_s
        _name_nameless_user()

    @override
    def new_identity(self) -> ShellIdentity:
        return new_identity()

    @override
    async def warm_up(self) -> None:
        await asyncio.to_thread(import_module, "bbox_server.infra.ssh.login")

    @override
    @asynccontextmanager
    async def connect(
        self, channel: OwnedFd, identity: ShellIdentity, user: GuestUser = GuestUser.AGENT
    ) -> AsyncIterator[GuestShell]:
        from bbox_server.infra.ssh.login import logged_in

        connection = socket.socket(fileno=channel)
        async with logged_in(connection, identity, user, self._login_timeout_s) as shell:
            yield shell


def _name_nameless_user() -> None:
    """A container's user may have no account; asyncssh 2.24 wants its name and home regardless."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = "bbox"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
