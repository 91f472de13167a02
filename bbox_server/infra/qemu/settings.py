# SPDX-License-Identifier: Apache-2.0
"""What the composition root and tests decide for the backend."""

from dataclasses import dataclass, field
from pathlib import Path

from bbox_server.domain.vm import Accelerator
from bbox_server.infra.process.programs import SYSTEM_PATH
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.qemu.machine import MachineType


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds. A start on an idle machine: 2.4 to `init` and 1 to `ready` emulated, 0.5 with KVM.

    Attributes:
        probe_s: KVM to the guest's first mark; a KVM that hangs is known by it.
        init_s: Power-on to the guest's first mark, the second machine type is tried after it.
        ready_s: From there to the last mark.
        channel_s: RESET to READY.
        power_off_s: OFF to QEMU's end: the guest writes its files back.
        quit_s: QMP quit to QEMU's end.
    """

    probe_s: float = 5
    init_s: float = 25
    ready_s: float = 35
    channel_s: float = 20
    power_off_s: float = 15
    quit_s: float = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuSettings:
    """How VMs run here.

    Attributes:
        user: Who QEMU and the shares' daemons are.
        cache_directory: Holds the accelerator's verdict.
            accelerator: Forces one; None probes.
        append: More words for the guest's kernel.
        machines: Tried in this order.
        path: Where programs are looked for.
    """

    user: SandboxUser
    cache_directory: Path
    accelerator: Accelerator | None = None
    kvm_device: Path = Path("/dev/kvm")
    append: str = ""
    machines: tuple[MachineType, ...] = (MachineType.MICROVM, MachineType.Q35)
    deadlines: Deadlines = field(default_factory=Deadlines)
    path: str = SYSTEM_PATH
