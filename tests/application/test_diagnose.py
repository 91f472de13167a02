# SPDX-License-Identifier: Apache-2.0
"""What `bbox doctor` says of the user's config; the machine is a good one."""

from pathlib import Path

import pytest
from typing_extensions import override

from bbox_server.application.diagnose import Diagnose
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.doctor import Check, CheckStatus, HostInspector
from bbox_server.infra.config.files import USER_FILE, DiskConfigFiles
from tests.fakes.agent import FakeAgentRegistry, simple_agent
from tests.fakes.config import MemoryTrust
from tests.fakes.image import FakeImageStore
from tests.fakes.vm import FakeVmBackend


class GoodHost(HostInspector):
    @override
    async def inspect(self) -> tuple[Check, ...]:
        return ()


async def found(directory: Path) -> Check:
    configs = ResolveConfig(
        files=DiskConfigFiles(directory=directory),
        trust=MemoryTrust(),
        built_in=FakeAgentRegistry([simple_agent("codex")]),
    )
    diagnose = Diagnose(
        host=GoodHost(), backend=FakeVmBackend(), images=FakeImageStore(), configs=configs
    )
    (check,) = [one for one in await diagnose() if one.name == "configuration"]
    return check


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        (None, CheckStatus.OK, "config.yaml"),
        ("defaults: {cpus: 2}", CheckStatus.OK, "config.yaml"),
        ("defaults: {cpus: many}", CheckStatus.FAILED, "config.yaml:1:12: defaults.cpus"),
        ("agents: {mine: {image: x}}", CheckStatus.WARNING, "agents.mine.command"),
    ],
)
async def test_the_users_config_is_looked_at(
    tmp_path: Path, text: str | None, status: CheckStatus, detail: str
) -> None:
    if text is not None:
        (tmp_path / USER_FILE).write_text(text)
    check = await found(tmp_path)
    assert check.status is status
    assert detail in check.detail
    assert bool(check.remediation) == (status is not CheckStatus.OK)
