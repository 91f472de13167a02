# SPDX-License-Identifier: Apache-2.0
"""The user's SSH agent, lent to the guest for the hosts of the workspace's remotes (ADR 0134)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import EventValue
from bbox_server.domain.workspace import HostPath

SOCKET_VARIABLE: Final = "SSH_AUTH_SOCK"
DEFAULT_PORT: Final = 22

# scp's form has no port and no scheme; a path of the host's has neither an @ nor this shape.
_LOGIN: Final = r"(?P<user>\w[\w.-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)"
_SCP: Final = re.compile(rf"{_LOGIN}:(?!//).+", re.ASCII)
_URL: Final = re.compile(
    rf"(?:ssh|git\+ssh|ssh\+git)://{_LOGIN}(?::(?P<port>[0-9]{{1,5}}))?/.*", re.ASCII
)
_PORT_LIMIT: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class SshHost:
    """Where a remote is, and as whom git logs in there."""

    user: str
    name: str
    port: int = DEFAULT_PORT

    @property
    def pattern(self) -> str:
        """As known_hosts(5) has it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.name if self.port == DEFAULT_PORT else f"[{self.name}]:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHost:
    """A key that the user's SSH expects of a host.

    Attributes:
        line: The key as a known_hosts line has it, without the host.
        key: Its bytes on the wire (RFC 4253, 6.6).
    """

    host: SshHost
    line: str
    key: bytes


class KnownHosts(Protocol):
    """The user's own record of host keys."""

    async def find(self, hosts: Iterable[SshHost]) -> tuple[KnownHost, ...]:
        """What is known of these hosts; nothing of one that the user never met."""
        ...


class NoKnownHosts(KnownHosts):
    """Of a user who never used SSH."""

    @override
    async def find(self, hosts: Iterable[SshHost]) -> tuple[KnownHost, ...]:
        return ()


NO_KNOWN_HOSTS: Final = NoKnownHosts()


@dataclass(frozen=True, slots=True, kw_only=True)
class LentAgent:
    """What the guest may use.

    Attributes:
        socket: Of the user's agent, on the host.
        hosts: Logins for which it signs.
    """

    socket: HostPath
    hosts: tuple[KnownHost, ...]

    @property
    def known_hosts(self) -> str:
        """The guest's ~/.ssh/known_hosts (compat GIT-12)."""
        return "".join(f"{known.host.pattern} {known.line}\n" for known in self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUse:
    """One request to sign, for the audit log.

    Attributes:
        host: Empty where the guest did not prove which it is.
        refused: Why it was not signed, or empty.
    """

    host: str
    refused: str = ""

    def fields(self) -> Mapping[str, EventValue]:
        """As fields of a `credential.used` event."""
        return {"provider": f"ssh-agent:{self.host}", "refused": self.refused}


def ssh_hosts(remotes: Iterable[str]) -> tuple[SshHost, ...]:
    """The hosts that the remotes are at, for those that are reached by SSH."""
    found = (_host(remote.strip()) for remote in remotes)
    return tuple(dict.fromkeys(host for host in found if host is not None))


def lend(
    hosts: Iterable[SshHost], known: tuple[KnownHost, ...], environ: Mapping[str, str]
) -> LentAgent:
    """What a run lends. Raises: credential.missing where it would be of no use."""
    wanted = ", ".join(host.pattern for host in hosts)
    socket = environ.get(SOCKET_VARIABLE, "")
    if not wanted:
        cause = "No remote of this workspace is reached by SSH: the agent has no use."
        remediation = "Leave --git-ssh-agent out, or add a remote such as git@HOST:OWNER/NAME.git."
    elif not socket.startswith("/"):
        cause = f"{SOCKET_VARIABLE} names no agent."
        remediation = "Start one, `eval $(ssh-agent)`, and add a key: `ssh-add`."
    elif not known:
        cause = f"Your known_hosts has no key of {wanted}."
        remediation = "Connect to it once from here, such as by `git fetch`, and compare the key."
    else:
        return LentAgent(socket=HostPath(socket), hosts=known)
    raise BboxError(ErrorCode.CREDENTIAL_MISSING, cause=cause, remediation=remediation)


def _host(remote: str) -> SshHost | None:
    found = _URL.fullmatch(remote) or _SCP.fullmatch(remote)
    if found is None:
        return None
    port = int(found.groupdict().get("port") or DEFAULT_PORT)
    if not 0 < port < _PORT_LIMIT:
        return None
    return SshHost(user=found["user"], name=found["host"].lower(), port=port)
