# SPDX-License-Identifier: Apache-2.0
"""Where the proxy's process has a login renewed: JSON lines on a socket to the session host.

The process says {"id", "provider", "stale"}, the fingerprint of the token that is of no use; it is
answered {"id", "access", "expires_at_s"} or {"id", "failure", "is_final"}. It never has what renews
a login, and reads no file of the user's.
"""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from bbox_server.domain.credential import CredentialUse, ProviderId
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.held_login import HeldLogin, Lasting
from bbox_server.domain.secret import Secret
from bbox_server.domain.session import EventKind, SessionObserver
from bbox_server.infra.credential.renewal import LoginRenewal, Renewed
from bbox_server.infra.credential.token_endpoint import EndpointAnswer
from bbox_server.infra.process.descriptors import Lines

LINE_BYTES: Final = 64 * 1024


class LoginDesk:
    """The host's side: answers while the loop runs.

    Callbacks of the loop and no task: leaving the context that owns it waits for nothing, and a
    renewal that is under way ends in its thread, with the login in its file.
    """

    def __init__(
        self,
        logins: Mapping[ProviderId, HeldLogin],
        renewal: LoginRenewal,
        observer: SessionObserver,
    ) -> None:
        """Open it; `process_end` is for the process."""
        self._logins = logins
        self._renewal = renewal
        self._observer = observer
        self._end, self.process_end = socket.socketpair()
        self._end.settimeout(0)
        self._lines = Lines(os.dup(self._end.fileno()), self._asked)

    def close(self) -> None:
        """Answer no more; repeatable."""
        self._lines.close()
        self._end.close()
        self.process_end.close()

    def _asked(self, line: bytes) -> None:
        asked: dict[str, Any] = json.loads(line)
        login = self._logins[ProviderId(asked["provider"])]
        loop = asyncio.get_running_loop()
        renewing = loop.run_in_executor(None, self._renewal, login, asked["stale"])
        renewing.add_done_callback(partial(self._answer, asked))

    def _answer(self, asked: dict[str, Any], renewing: asyncio.Future[Renewed]) -> None:
        if self._end.fileno() < 0 or renewing.cancelled():
            return
        provider, renewed = ProviderId(asked["provider"]), renewing.result()
        for answer in renewed.asked:
            login = self._logins[provider]
            use = _use(provider, login, answer, failed=renewed.token is None)
            self._observer.event(EventKind.CREDENTIAL_USED, use.fields())
        self._tell(renewed)
        with suppress(OSError):  # the process is gone, or reads nothing: it has no login then
            self._end.send(json.dumps({"id": asked["id"], **_reply(renewed)}).encode() + b"\n")

    def _tell(self, renewed: Renewed) -> None:
        failure = renewed.failure
        text = f"{failure.cause} {failure.remediation}" if failure else renewed.warning
        if text:
            self._observer.event(EventKind.WARNING, {"text": f"{text[0].upper()}{text[1:]}"})


def _reply(renewed: Renewed) -> dict[str, object]:
    if renewed.token is not None:
        token = renewed.token
        return {"access": token.access.value, "expires_at_s": token.expires_at_s}
    assert renewed.failure is not None  # noqa: S101 (it is one or the other)
    failure: BboxError = renewed.failure
    is_final = failure.code is ErrorCode.CREDENTIAL_LOGIN_EXPIRED
    return {"failure": f"{failure.cause} {failure.remediation}", "is_final": is_final}


def _use(
    provider: ProviderId, login: HeldLogin, answer: EndpointAnswer, *, failed: bool
) -> CredentialUse:
    return CredentialUse(
        provider=provider,
        method="POST",
        path=urlsplit(login.endpoint).path,
        status=answer.status,
        up_bytes=answer.sent_bytes,
        down_bytes=len(answer.body),
        elapsed_ms=answer.elapsed_ms,
        refused="login" if failed else "",
    )


class DeskClient:
    """The process's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    async def renew(self, provider: ProviderId, stale: str) -> Lasting:
        """Another token. One caller at a time. Raises: LoginLostError."""
        # A caller that was cancelled leaves its answer behind; the number tells it.
        self._number += 1
        asked = {"id": self._number, "provider": provider, "stale": stale}
        try:
            self._writer.write(json.dumps(asked).encode() + b"\n")
            await self._writer.drain()
            while line := await self._reader.readline():
                answer: dict[str, Any] = json.loads(line)
                if answer["id"] == self._number:
                    return _token(answer)
        except ConnectionError as error:
            raise LoginLostError("The session ends.", is_final=False) from error
        raise LoginLostError("The session ends.", is_final=False)


class LoginLostError(Exception):
    """There is no token; the text says why and what to do."""

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text)
        self.text = text
        self.is_final = is_final


async def desk_client(descriptor: int) -> DeskClient:
    """At the socket that the handover names."""
    end = socket.socket(fileno=descriptor)
    end.settimeout(0)
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=LINE_BYTES)
    return DeskClient(reader, writer)


async def no_login(provider: ProviderId, stale: str) -> Lasting:  # noqa: ARG001 (a Renew)
    """Of a session without logins. Raises: LoginLostError."""
    raise LoginLostError(f"{provider} has no login.", is_final=True)


def _token(answer: dict[str, Any]) -> Lasting:
    if "failure" in answer:
        raise LoginLostError(answer["failure"], is_final=answer["is_final"])
    return Lasting(access=Secret(value=answer["access"]), expires_at_s=answer["expires_at_s"])
