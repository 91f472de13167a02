# SPDX-License-Identifier: Apache-2.0
"""The microVM: what it is made of, how it starts and ends."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, Protocol

from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath

OwnedFd = NewType("OwnedFd", int)
"""An open file descriptor; whoever receives it closes it."""


class Accelerator(StrEnum):
    """What executes the guest's instructions."""

    KVM = "kvm"
    HVF = "hvf"
    TCG = "tcg"


class StopMode(StrEnum):
    """How a VM is ended."""

    GRACEFUL = "graceful"
    NOW = "now"


class VmEnd(StrEnum):
    """Why a VM is no more."""

    POWERED_OFF = "poweredOff"
    GUEST_RESET = "guestReset"
    GUEST_PANIC = "guestPanic"
    KILLED = "killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorVerdict:
    """What the boot of a probe guest showed.

    Attributes:
        warning: One line for the user, or empty.
        remedy: An instruction that would change the verdict, where there is one.
    """

    accelerator: Accelerator
    warning: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmResources:
    """What the guest may use. `tmp_size_mib` 0 leaves /tmp on the scratch disk, without a cap."""

    cpus: int
    memory_mib: int
    tmp_size_mib: int
    scratch_gib: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellIdentity:
    """Per-session SSH keys: OpenSSH private key texts and `ssh-ed25519 …` public lines."""

    host_private_key: bytes
    host_public_key: bytes
    client_private_key: bytes
    client_public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestConfig:
    """What the per-session part of the initramfs tells the guest (guest/README.md).

    Attributes:
        directory: Absolute; made if it is not there. Empty for none.
        home: Files of the agent's home, by relative paths; they take the place of the image's.
            The last one counts where two have the same path.
    """

    hostname: str
    tmp_size_mib: int
    identity: ShellIdentity
    time_ns: int
    image_env: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""
    trusted_certificates: bytes = b""
    home: tuple[GuestFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What lies over a path of a direct share, read-only, on the host's side."""

    path: HostPath
    source: HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceShare:
    """The two directories that make the guest's /workspace (workspace.md 2).

    Attributes:
        lower: A generation; the guest can't write to it, even as root.
        upper: Holds `u` (the agent's changes) and `w` (overlayfs' own).
        is_direct: `lower` is the workspace itself, for writing, and takes the overlay's place.
        masks: Only of a direct one.
    """

    lower: HostPath
    upper: HostPath
    is_direct: bool = False
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSpec:
    """One VM.

    Attributes:
        runtime_directory: 0700; holds the sockets and the session's initramfs.
        root_filesystem: Read-only squashfs image, shared between sessions.
        network_socket: Unix socket of the egress relay, which must listen already. A second
            connection follows when the first machine type did not boot.
        console_log: Where the console's text goes, escaped and bounded. Its directory is on a
            disk: the guest's scratch disk is a file without a name there.
    """

    session: SessionId
    runtime_directory: HostPath
    root_filesystem: HostPath
    share: WorkspaceShare
    network_socket: HostPath
    console_log: HostPath
    resources: VmResources
    guest: GuestConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class VmExit:
    """How a VM ended, with the last lines of its console, escaped."""

    end: VmEnd
    console_tail: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """What QEMU loads: an uncompressed kernel (PVH) and one initramfs for this session."""

    kernel: HostPath
    initramfs: HostPath


class GuestSystem(Protocol):
    """The built kernel and initramfs."""

    def assemble(self, guest: GuestConfig, into: HostPath) -> BootFiles:
        """Write this session's initramfs below `into`. Raises: guest.system-missing, disk.full."""
        ...


class RunningVm(Protocol):
    """A VM that answered on its control port."""

    async def open_shell_channel(self) -> OwnedFd:
        """Connect to the SSH server anew (RESET/READY/GO).

        There is one channel at a time: the former one's connection is lost by this, and its
        descriptor must be closed first. Raises: guest.lost.
        """
        ...

    async def stop(self, mode: StopMode) -> VmExit:
        """End it: OFF on the control port, then QMP quit, then SIGKILL. Repeatable."""
        ...

    async def wait(self) -> VmExit:
        """Return when the VM has ended, for whatever reason."""
        ...

    def console_tail(self) -> tuple[str, ...]:
        """The last lines of the console, escaped."""
        ...

    def memory_kills(self) -> tuple[str, ...]:
        """Names of what the guest's kernel killed for want of memory, escaped, oldest first."""
        ...


class VmBackend(Protocol):
    """Where VMs run: local QEMU now."""

    async def probe(self) -> AcceleratorVerdict:
        """Choose the accelerator by booting a probe guest; cached per host, kernel and QEMU."""
        ...

    def start(self, spec: VmSpec) -> AbstractAsyncContextManager[RunningVm]:
        """Boot; on entry the guest is ready, on exit nothing of the VM is left running.

        Raises: boot.failed and boot.timeout (with the console's last lines and the likely
        cause), dependency.missing, share.failed, disk.full.
        """
        ...
