# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.lsp.fake_server`: the language server on fakes, to be a child process."""

import sys

from typing_extensions import override

from bbox_server.application.diagnose import Diagnose
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.config.agents import ConfiguredAgents
from bbox_server.domain.doctor import Check, CheckStatus, HostInspector
from bbox_server.domain.image import ImageStore
from bbox_server.domain.session import SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.lsp.main import main
from bbox_server.entrypoints.lsp.services import LspServices


class GoodHost(HostInspector):
    """A host with everything."""

    @override
    async def inspect(self) -> tuple[Check, ...]:
        return (Check(name="host", status=CheckStatus.OK, detail="here"),)


def services() -> LspServices:
    """Fakes; made late, as the real ones are."""
    from tests.fakes.agent import FakeAgentRegistry, simple_agent
    from tests.fakes.config import MemoryConfigFiles, MemoryTrust
    from tests.fakes.diff_page import MemoryDiffPages
    from tests.fakes.flush import MemoryWorkspace
    from tests.fakes.gateway import SESSION, FakeGateway
    from tests.fakes.image import FakeImageStore
    from tests.fakes.session import MemorySessionLogs, MemorySessionStore
    from tests.fakes.vm import FakeVmBackend

    sessions = MemorySessionStore()
    sessions.create(
        SessionRecord(
            id=SESSION,
            state=SessionState.RUNNING,
            agent="codex",
            workspace=HostPath("/home/ada/tally"),
            command=(),
            image="",
            created_at=1.0,
        )
    )
    gateway = FakeGateway()
    codex, own = simple_agent("codex"), simple_agent("own")
    agents = ConfiguredAgents(
        agents={codex.name: codex, own.name: own}, custom=frozenset({own.name}), faults={}
    )
    configs = ResolveConfig(
        files=MemoryConfigFiles(), trust=MemoryTrust(), built_in=FakeAgentRegistry([codex])
    )
    images: ImageStore = FakeImageStore()
    backend = FakeVmBackend()
    return LspServices(
        version="1",
        gateway=lambda: gateway,
        sessions=lambda: sessions,
        agents=lambda: agents,
        configs=lambda: configs,
        images=lambda: images,
        logs=MemorySessionLogs,
        diagnose=lambda: Diagnose(host=GoodHost(), backend=backend, images=images, configs=configs),
        diffs=lambda: MemoryDiffPages([SESSION]),
        files=lambda _: MemoryWorkspace(),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], version="1", services=services))
