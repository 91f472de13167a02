# SPDX-License-Identifier: Apache-2.0
"""Finds the accelerator: KVM, when a guest boots with it, else emulation."""

from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.vm import Accelerator, AcceleratorVerdict, VmResources
from bbox_server.infra.process.command import Command
from bbox_server.infra.qemu.accelerator import (
    VerdictCache,
    cache_key,
    device_groups,
    emulated,
    usable,
)
from bbox_server.infra.qemu.boot import FIRST_MARK, power_on
from bbox_server.infra.qemu.device_access import find_obstacle
from bbox_server.infra.qemu.kernel import OpenKernel
from bbox_server.infra.qemu.machine import MachineType, Processor, machine_argv
from bbox_server.infra.qemu.settings import QemuSettings

_RESOURCES: Final = VmResources(cpus=1, memory_mib=256, tmp_size_mib=0)


def verdict_without_boot(settings: QemuSettings) -> AcceleratorVerdict | None:
    """The verdict, where it is clear before anything is booted."""
    if settings.accelerator is not None:
        return _forced(settings.accelerator)
    obstacle = find_obstacle(settings.kvm_device, settings.user)
    return None if obstacle is None else emulated(obstacle.why, obstacle.remedy)


async def find_accelerator(
    qemu: str, kernel: OpenKernel, settings: QemuSettings
) -> AcceleratorVerdict:
    """The verdict for this host; remembered, so that the probe costs its seconds once."""
    if (clear := verdict_without_boot(settings)) is not None:
        return clear
    cache = _cache(qemu, kernel, settings)
    verdict = cache.load()
    if verdict is None:
        verdict = await _boot_with_kvm(qemu, kernel, settings)
        cache.save(verdict)
    return verdict


def forget_verdict(qemu: str, kernel: OpenKernel, settings: QemuSettings) -> None:
    """Probe again the next time: what was found does not hold any more."""
    _cache(qemu, kernel, settings).forget()


def _cache(qemu: str, kernel: OpenKernel, settings: QemuSettings) -> VerdictCache:
    key = cache_key(Path(qemu), settings.kvm_device, settings.user.uid, kernel.path)
    return VerdictCache(settings.cache_directory, key)


def _forced(accelerator: Accelerator) -> AcceleratorVerdict:
    match accelerator:
        case Accelerator.TCG:
            return emulated("it was asked for")
        case Accelerator.KVM | Accelerator.HVF:
            return usable(accelerator)


async def _boot_with_kvm(
    qemu: str, kernel: OpenKernel, settings: QemuSettings
) -> AcceleratorVerdict:
    processor = Processor(accelerator=Accelerator.KVM, tsc_khz=0)
    argv = machine_argv(
        qemu, MachineType.MICROVM, processor, _RESOURCES, kernel.loaded(settings.append)
    )
    command = Command(
        argv=argv,
        user=settings.user,
        groups=device_groups(settings.kvm_device),
        pass_fds=kernel.descriptors,
    )
    try:
        async with power_on(command, None) as machine:
            await machine.reach(FIRST_MARK, settings.deadlines.probe_s)
    except BboxError as error:
        return emulated(f"KVM does not boot a guest ({_first_sentence(error.cause)})")
    return usable(Accelerator.KVM)


def _first_sentence(cause: str) -> str:
    return cause.split(". ", 1)[0].rstrip(".")
