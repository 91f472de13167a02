# SPDX-License-Identifier: Apache-2.0
"""What every VM backend does: the fake one and QEMU."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.vm import Accelerator, RunningVm, StopMode, VmBackend, VmEnd, VmSpec
from tests.fakes.vm import FakeVmBackend
from tests.vm.booted import make_house


@dataclass(frozen=True, kw_only=True)
class Subject:
    backend: VmBackend
    spec: VmSpec


@pytest.fixture(
    params=[
        "fake",
        pytest.param("qemu", marks=[pytest.mark.vm, pytest.mark.timeout(120)]),
    ]
)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with make_house() as house:
        backend = FakeVmBackend() if request.param == "fake" else house.backend()
        yield Subject(backend=backend, spec=house.spec)


async def assert_lost(vm: RunningVm) -> None:
    with pytest.raises(BboxError) as caught:
        await vm.open_shell_channel()
    assert caught.value.code is ErrorCode.GUEST_LOST


async def test_only_emulation_comes_with_a_warning_of_one_line(subject: Subject) -> None:
    verdict = await subject.backend.probe()
    assert bool(verdict.warning) is (verdict.accelerator is Accelerator.TCG)
    assert "\n" not in verdict.warning


async def test_a_vm_lives_from_start_to_its_graceful_stop(subject: Subject) -> None:
    async with subject.backend.start(subject.spec) as vm:
        os.close(await vm.open_shell_channel())
        os.close(await vm.open_shell_channel())
        assert vm.memory_kills() == ()
        exit_ = await vm.stop(StopMode.GRACEFUL)
        assert exit_.end is VmEnd.POWERED_OFF
        assert exit_.console_tail
        assert all(line.isprintable() for line in vm.console_tail())
        assert await vm.stop(StopMode.GRACEFUL) == exit_
        assert await vm.stop(StopMode.NOW) == exit_
        await assert_lost(vm)


async def test_who_waits_is_told_of_the_end(subject: Subject) -> None:
    async with subject.backend.start(subject.spec) as vm:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(vm.wait())
            exit_ = await vm.stop(StopMode.NOW)
        assert waiting.result() == exit_
        assert exit_.end is VmEnd.KILLED


async def test_nothing_runs_after_the_context_is_left(subject: Subject) -> None:
    async with subject.backend.start(subject.spec) as vm:
        pass
    await assert_lost(vm)
    assert (await vm.wait()).end is VmEnd.KILLED
