# SPDX-License-Identifier: Apache-2.0
"""QEMU's command line: a pure function of the machine that is wanted (guest.md, Command line)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bbox_server.domain.vm import Accelerator, VmResources

# Where the relay expects the guest (egress.md): 52:54:00 is QEMU's own prefix.
GUEST_MAC: Final = "52:54:00:12:34:56"

# The relay is a TCP terminator, not a bridge: large frames cost it less.
GUEST_MTU: Final = 65520

# An agent that does not fit is translated again and again; QEMU's default of 1 GiB would be the
# largest part of a sandbox that has worked (ADR 0176).
_TCG_CACHE_MIB: Final = 256

# werror=report: QEMU's default on a full host disk is to stop the guest, without a word.
_SCRATCH_DRIVE: Final = (
    "if=none,id=scratch,file=/dev/fdset/2,format=raw,auto-read-only=off,file.locking=off,"
    "cache=unsafe,discard=unmap,detect-zeroes=unmap,werror=report,rerror=report"
)

# guest/README.md, Machine. cryptomgr.notests spares 0.25 s of emulated self-tests.
_KERNEL_WORDS: Final = (
    *("console=ttyS0", "edd=off", "quiet", "loglevel=3"),
    *("panic=-1", "ipv6.disable=1", "cryptomgr.notests"),
)

_SANDBOX: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


class MachineType(StrEnum):
    """Boards that the guest system boots on; values are QEMU's names."""

    MICROVM = "microvm"
    Q35 = "q35"

    @property
    def options(self) -> str:
        """QEMU's -M, without the devices that nobody uses."""
        match self:
            case MachineType.MICROVM:
                return "microvm,rtc=on,graphics=off"
            case MachineType.Q35:
                return "q35,graphics=off,usb=off,sata=off,smbus=off"

    @property
    def bus(self) -> str:
        """Suffix of the virtio devices' names."""
        return "device" if self is MachineType.MICROVM else "pci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What executes the guest. `tsc_khz` is the host's, for emulation; 0 when unknown."""

    accelerator: Accelerator
    tsc_khz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """What QEMU gets handed over, as numbers that it inherits.

    Attributes:
        shell: A listening socket, for the SSH channel.
        control, monitor: Connected to us.
        network: Connected to the relay.
        lower, upper: Connected to the shares' daemons.
    """

    root: int
    scratch: int
    shell: int
    control: int
    monitor: int
    network: int
    lower: int
    upper: int

    def all(self) -> tuple[int, ...]:
        """Every one, to be inherited."""
        return (
            self.root,
            self.scratch,
            self.shell,
            self.control,
            self.monitor,
            self.network,
            self.lower,
            self.upper,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What is loaded, as paths that QEMU can open, and words for the kernel's command line."""

    image: str
    initramfs: str
    append: str = ""


def machine_argv(
    program: str,
    machine: MachineType,
    processor: Processor,
    resources: VmResources,
    kernel: Kernel,
) -> tuple[str, ...]:
    """The bare machine: processor, memory, kernel and a console on stdout."""
    return (
        program,
        *("-M", machine.options),
        *_processor(processor),
        *("-smp", str(resources.cpus), "-m", str(resources.memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", kernel.image, "-initrd", kernel.initramfs),
        *("-append", _append(processor, kernel.append)),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-sandbox", _SANDBOX),
    )


def device_argv(
    machine: MachineType, resources: VmResources, descriptors: Descriptors
) -> tuple[str, ...]:
    """Everything else that a sandbox has, all of it on descriptors."""
    bus = machine.bus
    rom = "" if machine is MachineType.MICROVM else ",romfile="
    return (
        *_memory(resources),
        *_disks(bus, descriptors),
        *_ports(bus, descriptors),
        *_share(bus, "lo", descriptors.lower),
        *_share(bus, "up", descriptors.upper),
        *("-netdev", f"stream,id=net,server=off,addr.type=fd,addr.str={descriptors.network}"),
        "-device",
        f"virtio-net-{bus},netdev=net,host_mtu={GUEST_MTU},mac={GUEST_MAC}{rom}",
        *("-device", f"virtio-rng-{bus}"),
        *("-device", f"virtio-balloon-{bus},free-page-reporting=on"),
        *("-chardev", f"socket,id=monitor,fd={descriptors.monitor}"),
        *("-mon", "chardev=monitor,mode=control"),
    )


def _processor(processor: Processor) -> tuple[str, ...]:
    match processor.accelerator:
        case Accelerator.TCG:
            return ("-accel", f"tcg,tb-size={_TCG_CACHE_MIB}", "-cpu", "max")
        case Accelerator.KVM | Accelerator.HVF:
            return ("-accel", processor.accelerator.value, "-cpu", "host")


def _append(processor: Processor, more: str) -> str:
    words = [*_KERNEL_WORDS]
    if processor.accelerator is Accelerator.TCG:
        words.append("tsc=reliable")
        # On a loaded host an emulated microvm hangs for ever when it calibrates against the PIT.
        if processor.tsc_khz:
            words.append(f"tsc_early_khz={processor.tsc_khz}")
    return " ".join((*words, more)).strip()


def _memory(resources: VmResources) -> tuple[str, ...]:
    # The shares' daemons map the guest's memory. virtiofs hangs on legacy virtio-mmio.
    return (
        "-object",
        f"memory-backend-memfd,id=memory,size={resources.memory_mib}M,share=on",
        *("-machine", "memory-backend=memory"),
        *("-global", "virtio-mmio.force-legacy=false"),
    )


def _disks(bus: str, descriptors: Descriptors) -> tuple[str, ...]:
    return (
        *("-add-fd", f"fd={descriptors.root},set=1"),
        *("-drive", "if=none,id=root,file=/dev/fdset/1,format=raw,readonly=on,file.locking=off"),
        *("-device", f"virtio-blk-{bus},drive=root"),
        *("-add-fd", f"fd={descriptors.scratch},set=2"),
        "-drive",
        _SCRATCH_DRIVE,
        *("-device", f"virtio-blk-{bus},drive=scratch"),
    )


def _ports(bus: str, descriptors: Descriptors) -> tuple[str, ...]:
    return (
        *("-device", f"virtio-serial-{bus},id=serial"),
        *("-chardev", f"socket,id=shell,fd={descriptors.shell},server=on,wait=off"),
        *("-device", "virtserialport,bus=serial.0,chardev=shell,name=bbox.ssh,nr=1"),
        *("-chardev", f"socket,id=control,fd={descriptors.control}"),
        *("-device", "virtserialport,bus=serial.0,chardev=control,name=bbox.ctl,nr=2"),
    )


def _share(bus: str, tag: str, fd: int) -> tuple[str, ...]:
    return (
        *("-chardev", f"socket,id=share-{tag},fd={fd}"),
        *("-device", f"vhost-user-fs-{bus},chardev=share-{tag},tag={tag}"),
    )
