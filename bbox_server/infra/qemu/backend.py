# SPDX-License-Identifier: Apache-2.0
"""VMs on local QEMU."""

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.vm import (
    AcceleratorVerdict,
    BootFiles,
    GuestConfig,
    GuestSystem,
    RunningVm,
    ShellIdentity,
    VmBackend,
    VmResources,
    VmSpec,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.programs import find_program
from bbox_server.infra.qemu.boot import FIRST_MARK, LAST_MARK
from bbox_server.infra.qemu.clock import measure_tsc_khz
from bbox_server.infra.qemu.kernel import OpenKernel, open_kernel
from bbox_server.infra.qemu.machine import Processor
from bbox_server.infra.qemu.prober import find_accelerator, forget_verdict, verdict_without_boot
from bbox_server.infra.qemu.running import QemuVm
from bbox_server.infra.qemu.sandbox import Sandbox
from bbox_server.infra.qemu.scratch import full_disk, make_scratch_disk
from bbox_server.infra.qemu.settings import QemuSettings
from bbox_server.infra.qemu.share import ShareProgram, find_share_program

QEMU: Final = "qemu-system-x86_64"

# With less the kernel can't unpack the guest system, and is silent about it.
LEAST_MEMORY_MIB: Final = 128

_BOARD_FAILURES: Final = frozenset({ErrorCode.BOOT_FAILED, ErrorCode.BOOT_TIMEOUT})

_PROBE_GUEST: Final = GuestConfig(
    hostname="probe",
    tmp_size_mib=0,
    identity=ShellIdentity(
        host_private_key=b"", host_public_key=b"", client_private_key=b"", client_public_key=b""
    ),
    time_ns=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    boot: BootFiles
    tsc_khz: int
    scratch_fd: int
    share_program: ShareProgram


class QemuBackend(VmBackend):
    """Starts guests as QEMU processes of the sandbox user."""

    def __init__(self, guest_system: GuestSystem, settings: QemuSettings) -> None:
        self._guest_system = guest_system
        self._settings = settings
        self._verdict: AcceleratorVerdict | None = None

    @override
    async def probe(self) -> AcceleratorVerdict:
        qemu = self._find_qemu()
        if self._verdict is None:
            self._verdict = verdict_without_boot(self._settings)
        if self._verdict is None:
            with tempfile.TemporaryDirectory(prefix="bbox-probe-") as directory:
                boot = await self._assemble(_PROBE_GUEST, HostPath(directory))
                with open_kernel(boot, self._settings.user) as kernel:
                    self._verdict = await find_accelerator(qemu, kernel, self._settings)
        return self._verdict

    @override
    @asynccontextmanager
    async def start(self, spec: VmSpec) -> AsyncIterator[RunningVm]:
        qemu = self._find_qemu()
        _check_memory(spec.resources)
        async with AsyncExitStack() as stack:
            try:
                prepared = await self._prepare(spec, stack)
                kernel = stack.enter_context(open_kernel(prepared.boot, self._settings.user))
                vm = await self._boot(qemu, spec, prepared, kernel, stack)
            except OSError as error:
                raise _disk_error(error, Path(spec.runtime_directory)) from error
            yield vm

    def _find_qemu(self) -> str:
        return find_program(QEMU, path=self._settings.path)

    async def _assemble(self, guest: GuestConfig, into: HostPath) -> BootFiles:
        return await asyncio.to_thread(self._guest_system.assemble, guest, into)

    async def _prepare(self, spec: VmSpec, stack: AsyncExitStack) -> _Prepared:
        """What does not need one another is done at the same time."""

        async def scratch() -> int:
            directory = Path(spec.console_log).parent
            fd = await make_scratch_disk(directory, spec.resources.scratch_gib, self._settings.user)
            stack.callback(os.close, fd)
            return fd

        try:
            async with asyncio.TaskGroup() as group:
                boot = group.create_task(self._assemble(spec.guest, spec.runtime_directory))
                tsc_khz = group.create_task(asyncio.to_thread(measure_tsc_khz))
                scratch_fd = group.create_task(scratch())
                program = group.create_task(find_share_program(self._settings.path))
        except BaseExceptionGroup as failed:
            raise _first(failed) from failed
        return _Prepared(
            boot=boot.result(),
            tsc_khz=tsc_khz.result(),
            scratch_fd=scratch_fd.result(),
            share_program=program.result(),
        )

    async def _boot(
        self,
        qemu: str,
        spec: VmSpec,
        prepared: _Prepared,
        kernel: OpenKernel,
        stack: AsyncExitStack,
    ) -> QemuVm:
        if self._verdict is None:
            self._verdict = await find_accelerator(qemu, kernel, self._settings)
        sandbox = Sandbox(
            spec=spec,
            settings=self._settings,
            qemu=qemu,
            share_program=prepared.share_program,
            kernel=kernel,
            processor=Processor(accelerator=self._verdict.accelerator, tsc_khz=prepared.tsc_khz),
            scratch_fd=prepared.scratch_fd,
        )
        try:
            return await self._first_that_boots(sandbox, stack)
        except BboxError as error:
            if error.code is ErrorCode.BOOT_TIMEOUT:
                self._verdict = None
                forget_verdict(qemu, kernel, self._settings)
            raise

    async def _first_that_boots(self, sandbox: Sandbox, stack: AsyncExitStack) -> QemuVm:
        deadlines = self._settings.deadlines
        last = self._settings.machines[-1]
        for machine in self._settings.machines:
            async with AsyncExitStack() as attempt:
                powered_on, vm = await attempt.enter_async_context(sandbox.power_on(machine))
                try:
                    await powered_on.reach(FIRST_MARK, deadlines.init_s)
                except BboxError as error:
                    # Userspace not reached: another board may do what this one doesn't.
                    if machine is last or error.code not in _BOARD_FAILURES:
                        raise
                    continue
                await powered_on.reach(LAST_MARK, deadlines.ready_s)
                await vm.until_answered()
                stack.push_async_exit(attempt.pop_all())
                return vm
        raise AssertionError("at least one machine type is tried")


def _check_memory(resources: VmResources) -> None:
    if resources.memory_mib < LEAST_MEMORY_MIB:
        raise BboxError(
            ErrorCode.SIZE_INVALID,
            cause=f"A guest does not start with {resources.memory_mib} MiB of memory.",
            remediation=f"Give it {LEAST_MEMORY_MIB} MiB at least; agents want 2 GiB and more.",
        )


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure of a group that holds no other groups; the rest was cancelled for it."""
    return failed.exceptions[0]


def _disk_error(error: OSError, directory: Path) -> BboxError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return full_disk(directory)
    return BboxError(
        ErrorCode.BOOT_FAILED,
        cause=f"{error.filename or directory}: {error.strerror}.",
        remediation="See that the session's directories can be written.",
    )
