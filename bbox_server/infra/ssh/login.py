# SPDX-License-Identifier: Apache-2.0
"""One login over a channel of the VM, by asyncssh."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncssh

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.terminal import GuestShell, GuestUser
from bbox_server.domain.vm import ShellIdentity
from bbox_server.infra.process.printable import printable
from bbox_server.infra.ssh.flood import FloodGuard
from bbox_server.infra.ssh.identity import KEY_TYPE
from bbox_server.infra.ssh.shell import SshShell

# The only pair that both ends have hardware for; the guest's crypto limits the throughput.
_CIPHER: Final = "aes128-gcm@openssh.com"

# A serial port has no end-of-file: a guest's sshd that is gone is known by its silence. Under
# emulation on a loaded host an answer can take many seconds.
_KEEPALIVE_S: Final = 15
_KEEPALIVES_MISSED: Final = 4

# At INFO asyncssh logs what the guest says.
asyncssh.set_log_level("WARNING")


@asynccontextmanager
async def logged_in(
    channel: socket.socket, identity: ShellIdentity, user: GuestUser, timeout_s: float
) -> AsyncIterator[GuestShell]:
    """A shell on a connection that ends with the context. Raises: ssh.failed."""
    connection = await _log_in(channel, identity, user, timeout_s)
    try:
        with FloodGuard(connection):
            yield SshShell(connection)
    finally:
        # Not close(): it waits for an answer of the guest, which may never come.
        connection.abort()
        await connection.wait_closed()


async def _log_in(
    channel: socket.socket, identity: ShellIdentity, user: GuestUser, timeout_s: float
) -> asyncssh.SSHClientConnection:
    host_key = asyncssh.import_public_key(identity.host_public_key)
    try:
        return await asyncssh.connect(
            host="guest",
            sock=channel,
            username=user.value,
            client_keys=[asyncssh.import_private_key(identity.client_private_key)],
            # Keys; a known_hosts object matches addresses, and a unix socket has none.
            known_hosts=([host_key], [], []),
            server_host_key_algs=[KEY_TYPE],
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
            login_timeout=timeout_s,
        )
    except Exception as error:  # asyncssh's parser fails in any way on bytes of the guest
        raise BboxError(
            ErrorCode.SSH_FAILED,
            cause=f"The login as {user.value} failed: {printable(str(error).rstrip('.'))}.",
            remediation="Start a new session.",
        ) from error
    except BaseException:
        channel.close()
        raise
