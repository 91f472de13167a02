# SPDX-License-Identifier: Apache-2.0
"""An agent's login goes in, and what became of it comes back."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from bbox_server.application.carry_login import CarryLogin, login_files
from bbox_server.domain.agent import Agent
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.guest_login import OUTPUT_BYTES
from bbox_server.domain.login import CarriedLogin
from bbox_server.domain.progress import Phase
from bbox_server.domain.run import LoginOptions
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.terminal import GuestUser
from tests.fakes.agent import simple_agent
from tests.fakes.login import MemoryHostLogins, MemoryLoginStore
from tests.fakes.session import FakeClock, RecordingProgress
from tests.fakes.terminal import FakeGuestShell, FakeProcess, Program

BUSYBOX = "/run/bbox/busybox"
AUTH = PurePosixPath(".codex/auth.json")
CONFIG = PurePosixPath(".codex/config.toml")
AGENT = replace(simple_agent("codex"), credential_paths=(PurePosixPath(".codex"),))


@dataclass
class House:
    store: MemoryLoginStore = field(default_factory=MemoryLoginStore)
    host: MemoryHostLogins = field(default_factory=MemoryHostLogins)
    progress: RecordingProgress = field(default_factory=RecordingProgress)

    @property
    def carry(self) -> CarryLogin:
        return CarryLogin(
            store=self.store, host=self.host, clock=FakeClock(), progress=self.progress
        )

    def load(
        self, options: LoginOptions | None = None, agent: Agent | None = AGENT
    ) -> CarriedLogin | None:
        return self.carry.load(agent, options or LoginOptions())

    async def save(
        self, login: CarriedLogin | None, program: Program, *written: GuestFile
    ) -> FakeGuestShell:
        shell = FakeGuestShell({BUSYBOX: program}, GuestUser.AGENT)
        await self.carry.save(shell, login, written)
        return shell


def holding(files: Mapping[PurePosixPath, bytes], code: int = 0) -> Program:
    """A guest whose home has these files."""

    async def read(process: FakeProcess) -> ExitStatus:
        for path, content in files.items():
            await process.output.put(bytes(path) + b"\0" + base64.b64encode(content) + b"\0")
        return ExitStatus(code=code)

    return read


async def test_a_login_comes_back_in_the_next_run() -> None:
    house = House()
    await house.save(house.load(), holding({AUTH: b"{}"}))
    login = house.load()
    assert [(file.path, file.content) for file in login_files(login)] == [(AUTH, b"{}")]
    assert login_files(login)[0].mode == 0o600


async def test_what_bbox_wrote_is_not_kept_unless_it_was_the_login() -> None:
    house = House()
    own = GuestFile(path=CONFIG, content=b"")
    await house.save(house.load(), holding({AUTH: b"1", CONFIG: b"2"}), own)
    assert house.store.saved == {"codex": {AUTH: b"1"}}
    login = house.load()
    await house.save(login, holding({AUTH: b"3"}), own, *login_files(login))
    assert house.store.saved == {"codex": {AUTH: b"3"}}


async def test_what_changed_is_told_and_what_did_not_is_not() -> None:
    house = House()
    await house.save(house.load(), holding({AUTH: b"1"}))
    assert house.progress.notes == ["Login of codex saved: .codex/auth.json"]
    await house.save(house.load(), holding({AUTH: b"1"}))
    assert len(house.progress.notes) == 1
    await house.save(house.load(), holding({}))
    assert house.progress.notes[1:] == ["Login of codex forgotten: .codex/auth.json"]


async def test_a_run_that_keeps_nothing_asks_nothing() -> None:
    house = House()
    house.store.saved = {"codex": {AUTH: b"1"}}
    for login in (
        house.load(LoginOptions(save=False)),
        house.load(agent=None),
        house.load(agent=simple_agent("codex")),
    ):
        assert login is None
        assert (await house.save(login, holding({AUTH: b"2"}))).processes == []
    assert house.store.saved == {"codex": {AUTH: b"1"}}


async def test_a_guest_that_fails_removes_nothing() -> None:
    house = House()
    house.store.saved = {"codex": {AUTH: b"1"}}
    await house.save(house.load(), holding({}, code=1))
    assert house.store.saved == {"codex": {AUTH: b"1"}}


async def test_a_guest_without_end_is_not_read_to_its_end() -> None:
    async def flood(process: FakeProcess) -> ExitStatus:
        while True:
            await process.output.put(b"x" * 65536)

    house = House()
    house.store.saved = {"codex": {AUTH: b"1"}}
    async with asyncio.timeout(10):
        shell = await house.save(house.load(), flood)
    assert house.store.saved == {"codex": {AUTH: b"1"}}
    assert len(shell.processes) == 1
    assert OUTPUT_BYTES < 8 << 20


async def test_a_guest_that_is_lost_leaves_the_login_be() -> None:
    async def lose(process: FakeProcess) -> ExitStatus:
        await process.lose()
        return ExitStatus(code=0)

    house = House()
    house.store.saved = {"codex": {AUTH: b"1"}}
    await house.save(house.load(), lose)
    assert house.store.saved == {"codex": {AUTH: b"1"}}
    assert house.progress.phases[-1] == ("failed", Phase.SAVE_LOGIN)


async def test_the_notes_name_files_and_no_content() -> None:
    house = House()
    house.host.files = {AUTH: b'{"token": "sekrit"}'}
    agent = replace(AGENT, credential_paths=(AUTH,))
    login = house.load(LoginOptions(seed=True), agent)
    assert house.progress.notes == ["Login of this host taken over: .codex/auth.json"]
    assert "sekrit" not in repr((login, house.progress))


async def test_a_host_without_a_newer_login_is_told() -> None:
    house = House()
    house.load(LoginOptions(seed=True))
    assert house.progress.notes == ["No login of codex on this host is newer than the saved one"]


async def test_more_than_the_limits_allow_is_not_carried() -> None:
    house = House()
    deep = PurePosixPath(".codex/1/2/3/4/x")
    house.store.saved = {"codex": {AUTH: b"1", deep: b"2"}}
    login = house.load()
    assert login is not None
    assert [file.path for file in login.files] == [AUTH]
    assert str(deep) in house.progress.warnings[0]
