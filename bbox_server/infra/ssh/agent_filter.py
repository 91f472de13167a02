# SPDX-License-Identifier: Apache-2.0
"""Stands between a guest and the user's SSH agent, and lets logins to a few hosts be signed."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import asyncssh

from bbox_server.domain.ssh_agent import AgentUse, KnownHost, LentAgent
from bbox_server.infra.ssh.agent_messages import (
    MESSAGE_LIMIT,
    Login,
    MessageError,
    MessageKind,
    SessionBind,
    message,
    read_bind,
    read_sign_request,
    without_comments,
)

_LENGTH_BYTES: Final = 4
_ANSWER_S: Final = 120.0
"""The user may have to touch a key, or to confirm."""

_BINDS: Final = 16
_REFUSALS_TOLD: Final = 20

_FAILURE: Final = message(MessageKind.FAILURE)
_SUCCESS: Final = message(MessageKind.SUCCESS)


class Source(Protocol):
    """Where messages come from."""

    async def readexactly(self, n: int, /) -> bytes:
        """So many bytes. Raises: IncompleteReadError."""
        ...


class Sink(Protocol):
    """Where answers go."""

    def write(self, data: bytes, /) -> None:
        """Send."""
        ...

    async def drain(self) -> None:
        """Wait until it was sent."""
        ...


class AgentFilter:
    """What one run's guest may have signed; every connection is judged by itself."""

    def __init__(self, lent: LentAgent, report: Callable[[AgentUse], None]) -> None:
        self._lent = lent
        self._report = report
        self._refusals = 0

    async def serve(self, source: Source, sink: Sink) -> None:
        """Answer one connection of the guest's to its end."""
        bound: dict[bytes, KnownHost] = {}
        with suppress(asyncio.IncompleteReadError, ConnectionError, OSError):
            async with _user_agent(self._lent.socket) as agent:
                while True:
                    sink.write(await self._answer(await _message(source), bound, agent))
                    await sink.drain()

    async def _answer(
        self, asked: bytes, bound: dict[bytes, KnownHost], agent: "_UserAgent"
    ) -> bytes:
        kind, body = asked[:1], asked[1:]
        try:
            match kind[0] if kind else 0:
                case MessageKind.REQUEST_IDENTITIES:
                    return await _identities(agent)
                case MessageKind.SIGN_REQUEST:
                    return await self._sign(body, bound, agent)
                case MessageKind.EXTENSION:
                    return self._bind(read_bind(body), bound)
                case _:
                    return _FAILURE
        except MessageError as error:
            self._refuse("", str(error))
            return _FAILURE

    def _bind(self, bind: SessionBind | None, bound: dict[bytes, KnownHost]) -> bytes:
        if bind is None or len(bound) >= _BINDS:
            return _FAILURE
        for known in self._lent.hosts:
            if not bind.is_forwarding and _is_proven(bind, known):
                bound[bind.session] = known
                return _SUCCESS
        self._refuse("", "the server is none of this workspace's remotes")
        return _FAILURE

    async def _sign(self, body: bytes, bound: dict[bytes, KnownHost], agent: "_UserAgent") -> bytes:
        login = read_sign_request(body)
        known = bound.get(login.session)
        reason = "the client did not prove its server" if known is None else _fault(login, known)
        if known is None or reason:
            self._refuse(known.host.name if known else "", reason)
            return _FAILURE
        answer = await agent.ask(message(MessageKind.SIGN_REQUEST, body))
        is_signed = answer[:1] == bytes([MessageKind.SIGN_RESPONSE])
        refused = "" if is_signed else "the agent did not sign"
        self._report(AgentUse(host=known.host.name, refused=refused))
        return _framed(answer) if is_signed else _FAILURE

    def _refuse(self, host: str, reason: str) -> None:
        self._refusals += 1
        if self._refusals <= _REFUSALS_TOLD:
            self._report(AgentUse(host=host, refused=reason))


def _is_proven(bind: SessionBind, known: KnownHost) -> bool:
    """Whether the server has signed the session: nobody else can have its host key do that."""
    key = asyncssh.import_public_key(known.line)
    return bind.host_key == known.key and key.verify(bind.session, bind.signature)


def _fault(login: Login, known: KnownHost) -> str:
    if login.user != known.host.user.encode():
        return "it is a login as somebody else"
    if login.host_key and login.host_key != known.key:
        return "the login names another server"
    return ""


async def _identities(agent: "_UserAgent") -> bytes:
    answer = await agent.ask(message(MessageKind.REQUEST_IDENTITIES))
    if answer[:1] != bytes([MessageKind.IDENTITIES_ANSWER]):
        return _FAILURE
    # Comments are addresses and paths of the user's.
    return message(MessageKind.IDENTITIES_ANSWER, without_comments(answer[1:]))


class _UserAgent:
    """One connection to the user's agent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, asked: bytes) -> bytes:
        """Its answer, without the length. Raises: OSError, IncompleteReadError."""
        self._writer.write(asked)
        await self._writer.drain()
        async with asyncio.timeout(_ANSWER_S):
            return await _message(self._reader)


@asynccontextmanager
async def _user_agent(socket: str) -> AsyncIterator[_UserAgent]:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        yield _UserAgent(reader, writer)
    finally:
        writer.close()


async def _message(source: Source) -> bytes:
    """The next message, without its length. Raises: ConnectionError where it is too long."""
    (length,) = struct.unpack(">I", await source.readexactly(_LENGTH_BYTES))
    if not 0 < length <= MESSAGE_LIMIT:
        raise ConnectionError("a message without an end")
    return await source.readexactly(length)


def _framed(answer: bytes) -> bytes:
    return struct.pack(">I", len(answer)) + answer
