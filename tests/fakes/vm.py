# SPDX-License-Identifier: Apache-2.0
"""A backend whose VMs run nothing but end, lose and lend channels as real ones do."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.vm import (
    Accelerator,
    AcceleratorVerdict,
    BootFiles,
    GuestConfig,
    GuestSystem,
    OwnedFd,
    RunningVm,
    StopMode,
    VmBackend,
    VmEnd,
    VmExit,
    VmSpec,
)
from bbox_server.domain.workspace import HostPath, below


class FakeRunningVm(RunningVm):
    """A VM until it is stopped, or `end` is called.

    Attributes:
        spec: What it was started with.
        stops: How it was told to stop, in order.
    """

    def __init__(self, spec: VmSpec) -> None:
        self.spec = spec
        self.stops: list[StopMode] = []
        self._exit: VmExit | None = None
        self._ended = asyncio.Event()
        self._console: tuple[str, ...] = ("BBOX init 1.0", "BBOX ready 2.0")
        self._kills: list[str] = []
        self._guest_end: socket.socket | None = None

    @override
    async def open_shell_channel(self) -> OwnedFd:
        if self._exit is not None:
            raise _lost()
        self._drop_channel()
        host_end, self._guest_end = socket.socketpair()
        return OwnedFd(host_end.detach())

    @override
    async def stop(self, mode: StopMode) -> VmExit:
        self.stops.append(mode)
        self.end(VmEnd.POWERED_OFF if mode is StopMode.GRACEFUL else VmEnd.KILLED)
        return await self.wait()

    @override
    async def wait(self) -> VmExit:
        await self._ended.wait()
        if self._exit is None:
            raise AssertionError("a VM that has ended has an exit")
        return self._exit

    @override
    def console_tail(self) -> tuple[str, ...]:
        return self._console

    @override
    def memory_kills(self) -> tuple[str, ...]:
        return tuple(self._kills)

    def end(self, end: VmEnd, *last_words: str) -> None:
        """The VM ends now; the first end is the one that counts."""
        if self._exit is None:
            self._console += last_words
            self._exit = VmExit(end=end, console_tail=self._console)
            self._drop_channel()
            self._ended.set()

    def kill_for_memory(self, name: str) -> None:
        """The guest's kernel kills a process of that name."""
        self._kills.append(name)

    def _drop_channel(self) -> None:
        if self._guest_end is not None:
            self._guest_end.close()
            self._guest_end = None


class FakeVmBackend(VmBackend):
    """Starts fake VMs.

    Attributes:
        started: Every VM that was started, in order.
        failure: Raised by the next starts, when set.
    """

    def __init__(self, accelerator: Accelerator = Accelerator.TCG) -> None:
        self.started: list[FakeRunningVm] = []
        self.failure: BboxError | None = None
        self._accelerator = accelerator

    @override
    async def probe(self) -> AcceleratorVerdict:
        warning = "slow" if self._accelerator is Accelerator.TCG else ""
        return AcceleratorVerdict(accelerator=self._accelerator, warning=warning)

    @override
    @asynccontextmanager
    async def start(self, spec: VmSpec) -> AsyncIterator[RunningVm]:
        if self.failure is not None:
            raise self.failure
        vm = FakeRunningVm(spec)
        self.started.append(vm)
        try:
            yield vm
        finally:
            vm.end(VmEnd.KILLED)


class FakeGuestSystem(GuestSystem):
    """Names of files that nobody reads. `configs` is what was asked for."""

    def __init__(self) -> None:
        self.configs: list[GuestConfig] = []

    @override
    def assemble(self, guest: GuestConfig, into: HostPath) -> BootFiles:
        self.configs.append(guest)
        return BootFiles(kernel=HostPath(os.devnull), initramfs=below(into, "initramfs"))


def _lost() -> BboxError:
    return BboxError(ErrorCode.GUEST_LOST, cause="The VM has ended.", remediation="Start another.")
