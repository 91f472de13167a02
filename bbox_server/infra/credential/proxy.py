# SPDX-License-Identifier: Apache-2.0
"""The credential proxy as a process of its own."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.credential import (
    CredentialProxy,
    CredentialProxySpec,
    PlaceholderToken,
    RunningProxy,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionObserver
from bbox_server.infra.credential.audit import AuditReader
from bbox_server.infra.credential.handover import Handover, encode
from bbox_server.infra.credential.held_login_files import HeldLoginFiles
from bbox_server.infra.credential.login_desk import LoginDesk
from bbox_server.infra.credential.renewal import LoginRenewal
from bbox_server.infra.credential.trust import passed_environment
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.printable import printable
from bbox_server.infra.process.programs import PLAIN_ENVIRONMENT
from bbox_server.infra.process.sandbox_user import SandboxUser

START_S: Final = 30.0
"""It takes 0.2 s on an idle machine, and many times that beside an emulated VM that boots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCredentialProxy(CredentialProxy):
    """Starts `serve` for each session.

    Attributes:
        user: Who may connect to the socket (the egress relay runs as that user), and whom a
            process of root's becomes when it listens.
        environment: The caller's; the process gets only what says whom to trust and how to get out.
        logins: The files of logins, for routes that have one.
    """

    user: SandboxUser
    environment: Mapping[str, str]
    logins: HeldLoginFiles | None = None

    @override
    def new_placeholder(self) -> PlaceholderToken:
        return PlaceholderToken(f"bbox-placeholder-{secrets.token_urlsafe(32)}")

    @override
    @asynccontextmanager
    async def start(
        self, spec: CredentialProxySpec, observer: SessionObserver
    ) -> AsyncIterator[RunningProxy]:
        async with AsyncExitStack() as stack:
            reading, writing = os.pipe2(os.O_CLOEXEC)
            audit = AuditReader(reading, observer)
            stack.callback(Path(spec.socket).unlink, missing_ok=True)
            stack.callback(audit.close)
            desk = self._desk(spec, observer)
            if desk is not None:
                stack.callback(desk.close)
            try:
                command = self._command(spec, writing, desk)
                child = await stack.enter_async_context(spawn(command))
            finally:
                os.close(writing)
            await _listening(child, audit)
            yield ProxyProcess(child)

    def _desk(self, spec: CredentialProxySpec, observer: SessionObserver) -> LoginDesk | None:
        """Where the process has its logins renewed."""
        logins = {one.route.provider: one.login for one in spec.routes if one.login is not None}
        if not logins:
            return None
        assert self.logins is not None  # noqa: S101 (who finds a login knows where it lies)
        renewal = LoginRenewal(files=self.logins, environment=self.environment)
        return LoginDesk(logins, renewal, observer)

    def _command(self, spec: CredentialProxySpec, stdout: int, desk: LoginDesk | None) -> Command:
        descriptor = None if desk is None else desk.process_end.fileno()
        handover = Handover(spec=spec, uid=self.user.uid, gid=self.user.gid, logins=descriptor)
        return Command(
            # Isolated: neither the current directory nor PYTHON* variables choose what is imported.
            argv=(sys.executable, "-I", "-m", "bbox_server.infra.credential.serve"),
            env={**PLAIN_ENVIRONMENT, **passed_environment(self.environment)},
            stdin=encode(handover),
            stdout=stdout,
            pass_fds=() if descriptor is None else (descriptor,),
        )


async def _listening(child: Child, audit: AuditReader) -> None:
    try:
        async with asyncio.timeout(START_S):
            is_ready = await audit.ready()
    except TimeoutError as error:
        raise _failed(f"it did not listen within {START_S:g} s.") from error
    if not is_ready:
        await child.wait()
        raise _failed(_last_words(child))


@dataclass(frozen=True, slots=True)
class ProxyProcess(RunningProxy):
    """A proxy that listens, as a process of its own."""

    child: Child

    @override
    async def wait(self) -> None:
        code = await self.child.wait()
        raise _failed(f"it ended with {code}; {_last_words(self.child)}")


def _last_words(child: Child) -> str:
    child.errors.close()
    lines = child.errors.content().strip().splitlines()
    return f"its last words: {printable(lines[-1])}" if lines else "it said nothing."


def _failed(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.CREDENTIAL_PROXY_FAILED,
        cause=f"The process that holds the keys failed: {cause}",
        remediation="Start the session again; `bbox logs` shows what it did before.",
    )
