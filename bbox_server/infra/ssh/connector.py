# SPDX-License-Identifier: Apache-2.0
"""Shells over a channel of the VM, by asyncssh."""

import getpass
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncssh
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.terminal import GuestShell, GuestUser, ShellConnector
from bbox_server.domain.vm import OwnedFd, ShellIdentity
from bbox_server.infra.process.printable import printable
from bbox_server.infra.ssh.flood import FloodGuard
from bbox_server.infra.ssh.shell import SshShell

_KEY_TYPE: Final = "ssh-ed25519"

# The only pair that both ends have hardware for; the guest's crypto limits the throughput.
_CIPHER: Final = "aes128-gcm@openssh.com"

# A serial port has no end-of-file: a guest's sshd that is gone is known by its silence. Under
# emulation on a loaded host an answer can take many seconds.
_KEEPALIVE_S: Final = 15
_KEEPALIVES_MISSED: Final = 4

LOGIN_TIMEOUT_S: Final = 30.0


class AsyncsshConnector(ShellConnector):
    """Logs in with the session's own keys and nothing of the user's: no agent, no config."""

    def __init__(self, login_timeout_s: float = LOGIN_TIMEOUT_S) -> None:
        self._login_timeout_s = login_timeout_s
        _name_nameless_user()
        # At INFO asyncssh logs what the guest says.
        asyncssh.set_log_level("WARNING")

    @override
    def new_identity(self) -> ShellIdentity:
        host, client = _new_key(), _new_key()
        return ShellIdentity(
            host_private_key=host.export_private_key("openssh"),
            host_public_key=host.export_public_key("openssh"),
            client_private_key=client.export_private_key("openssh"),
            client_public_key=client.export_public_key("openssh"),
        )

    @override
    @asynccontextmanager
    async def connect(
        self, channel: OwnedFd, identity: ShellIdentity, user: GuestUser = GuestUser.AGENT
    ) -> AsyncIterator[GuestShell]:
        connection = await self._log_in(socket.socket(fileno=channel), identity, user)
        try:
            with FloodGuard(connection):
                yield SshShell(connection)
        finally:
            # Not close(): it waits for an answer of the guest, which may never come.
            connection.abort()
            await connection.wait_closed()

    async def _log_in(
        self, connection: socket.socket, identity: ShellIdentity, user: GuestUser
    ) -> asyncssh.SSHClientConnection:
        host_key = asyncssh.import_public_key(identity.host_public_key)
        try:
            return await asyncssh.connect(
                host="guest",
                sock=connection,
                username=user.value,
                client_keys=[asyncssh.import_private_key(identity.client_private_key)],
                # Keys; a known_hosts object matches addresses, and a unix socket has none.
                known_hosts=([host_key], [], []),
                server_host_key_algs=[_KEY_TYPE],
                encryption_algs=[_CIPHER],
                compression_algs=["none"],
                preferred_auth=["publickey"],
                config=None,
                agent_path=None,
                gss_host=None,
                x509_trusted_certs=None,
                x509_trusted_cert_paths=None,
                keepalive_interval=_KEEPALIVE_S,
                keepalive_count_max=_KEEPALIVES_MISSED,
                login_timeout=self._login_timeout_s,
            )
        except Exception as error:  # asyncssh's parser fails in any way on bytes of the guest
            raise BboxError(
                ErrorCode.SSH_FAILED,
                cause=f"The login as {user.value} failed: {printable(str(error).rstrip('.'))}.",
                remediation="Start a new session.",
            ) from error
        except BaseException:
            connection.close()
            raise


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


def _new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(_KEY_TYPE, comment="bbox")
