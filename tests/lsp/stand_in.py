# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.lsp.stand_in --stdio`: the language server and session hosts, without a microVM.

Both are real processes with real files; only the guest is a stand-in. Its one program takes its
arguments as steps: `say TEXT`, `write PATH TEXT`, `flood MIB`, `wait` (for input), `echo` (until
input ends).
"""

import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.application.allow_packages import AllowPackages
from bbox_server.application.run_agent import RunAgent
from bbox_server.bootstrap.adapters import Adapters
from bbox_server.bootstrap.composition import PACKAGE, Composition
from bbox_server.bootstrap.host import HostComposition
from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.credential import CredentialProxy
from bbox_server.domain.gateway import SessionGateway
from bbox_server.domain.image import (
    ImageConfig,
    ImageReference,
    ImageStore,
    PullPolicy,
    RootFilesystem,
)
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.session import ExitStatus, SessionId
from bbox_server.domain.terminal import UserTerminal
from bbox_server.domain.vm import VmBackend
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.entrypoints.lsp.main import main as lsp_main
from bbox_server.entrypoints.session_host.main import main as host_main
from bbox_server.infra.session_api.gateway import SocketGateway
from tests.fakes.agent import FakeAgentRegistry, simple_agent
from tests.fakes.credential import FakeCredentialProxy
from tests.fakes.egress import FakeNetworkRelay, FakePackageHosts
from tests.fakes.image import FakeImageStore
from tests.fakes.terminal import FakeProcess, FakeShellConnector
from tests.fakes.vm import FakeVmBackend

ROOT: Final = Path(__file__).parents[2]
AGENT: Final = "agent"
CHUNK: Final = 1 << 16
HOST: Final = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.lsp.stand_in import host
host()
"""


def flood(offset: int) -> bytes:
    """What a flood says from an offset on: numbered lines of 64 bytes."""
    first = offset // 64
    lines = (b"%062d\r\n" % number for number in range(first, first + CHUNK // 64))
    return b"".join(lines)


@dataclass(frozen=True, kw_only=True)
class StandInAdapters(Adapters):
    """One agent, any image, no microVM."""

    @cached_property
    @override
    def agents(self) -> AgentRegistry:
        return stand_in_agents()

    @cached_property
    @override
    def images(self) -> ImageStore:
        return AnyImage()

    @override
    def make_images(self, advanced: Callable[[str], None]) -> ImageStore:
        return AnyImage()

    @cached_property
    @override
    def backend(self) -> VmBackend:
        return FakeVmBackend()

    @cached_property
    @override
    def credential_proxy(self) -> CredentialProxy:
        return FakeCredentialProxy()


@dataclass(frozen=True, kw_only=True)
class StandInHost(HostComposition):
    """A session's host whose guest is Python."""

    @override
    def run_agent(self, terminal: UserTerminal, progress: ProgressObserver) -> RunAgent:
        real = super().run_agent(terminal, progress)
        shells = FakeShellConnector({AGENT: self._act})
        return replace(
            real,
            sandbox=replace(
                real.sandbox,
                relay=FakeNetworkRelay(),
                shells=shells,
                packages=AllowPackages(hosts=FakePackageHosts()),
            ),
        )

    @cached_property
    @override
    def adapters(self) -> Adapters:
        return StandInAdapters(environ=self.environ)

    async def _act(self, process: FakeProcess) -> ExitStatus:
        upper = self.adapters.directories.state / "sessions" / self.session / "upper/u"
        for step in process.command.argv[1:]:
            name, _, rest = step.partition(" ")
            if name == "say":
                await process.output.put(f"{rest}\r\n".encode())
            elif name == "write":
                path, _, text = rest.partition(" ")
                (upper / path).parent.mkdir(parents=True, exist_ok=True)
                (upper / path).write_text(text)
            elif name == "flood":
                for offset in range(0, int(rest) << 20, CHUNK):
                    await process.output.put(flood(offset))
            elif name == "echo":
                while data := await process.input.get():
                    await process.output.put(data)
            else:
                await process.input.get()
        return ExitStatus(code=0)


@dataclass(frozen=True, kw_only=True)
class StandInServer(Composition):
    """The language server's side: it starts stand-ins."""

    @override
    def gateway(self) -> SessionGateway:
        gateway = super().gateway()
        assert isinstance(gateway, SocketGateway)
        return replace(gateway, program=HOST)

    @cached_property
    @override
    def adapters(self) -> Adapters:
        return StandInAdapters(environ=self.environ)


class AnyImage(FakeImageStore):
    """Every image is there."""

    @override
    async def resolve(
        self, reference: ImageReference, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        config = ImageConfig(env={}, cmd=(AGENT,))
        return RootFilesystem(
            path=HostPath("/images/agent.sqfs"), digest=Digest("0" * 64), config=config
        )


def stand_in_agents() -> AgentRegistry:
    return FakeAgentRegistry(agents=[simple_agent(AGENT)])


def host() -> None:
    """What the gateway starts."""
    logging.basicConfig(level=logging.INFO)
    composition = StandInHost(environ=dict(os.environ), session=SessionId(sys.argv[1]))
    host_main(composition.host_services, socket.socket(fileno=int(sys.argv[2])))


if __name__ == "__main__":
    number = version(PACKAGE)
    sys.exit(
        lsp_main(
            sys.argv[1:],
            version=number,
            services=lambda: StandInServer(environ=dict(os.environ)).lsp_services(number),
        )
    )
