# SPDX-License-Identifier: Apache-2.0
"""One start of one sandbox on one machine type: daemons, sockets, QEMU."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.vm import Accelerator, VmSpec
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.command import Command
from bbox_server.infra.qemu.accelerator import device_groups
from bbox_server.infra.qemu.boot import PoweredOn, power_on
from bbox_server.infra.qemu.kernel import OpenKernel
from bbox_server.infra.qemu.machine import (
    Descriptors,
    MachineType,
    Processor,
    device_argv,
    machine_argv,
)
from bbox_server.infra.qemu.running import Ports, QemuVm
from bbox_server.infra.qemu.settings import QemuSettings
from bbox_server.infra.qemu.share import (
    Access,
    ServedDirectory,
    Share,
    ShareProgram,
    serve_share,
)
from bbox_server.infra.qemu.sockets import connect_to, listen_at

_SHELL_SOCKET: Final = "ssh"
_MASKS: Final = "masks.list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What is the same on each machine type; the descriptors stay the caller's."""

    spec: VmSpec
    settings: QemuSettings
    qemu: str
    share_program: ShareProgram
    kernel: OpenKernel
    processor: Processor
    scratch_fd: int

    @asynccontextmanager
    async def power_on(self, machine: MachineType) -> AsyncIterator[tuple[PoweredOn, QemuVm]]:
        """Start everything and wait for nothing. All is gone when the context is left."""
        async with AsyncExitStack() as stack:
            shares = (
                await stack.enter_async_context(self._share("lo", self._lower())),
                await stack.enter_async_context(self._share("up", self._upper())),
            )
            with ExitStack() as handed_over:
                control, control_end = _pair(stack, handed_over)
                monitor, monitor_end = _pair(stack, handed_over)
                descriptors = Descriptors(
                    root=_open_root(self.spec.root_filesystem, handed_over),
                    scratch=self.scratch_fd,
                    shell=handed_over.enter_context(listen_at(self._shell_socket)).fileno(),
                    control=control_end.fileno(),
                    monitor=monitor_end.fileno(),
                    network=handed_over.enter_context(self._network()).fileno(),
                    lower=handed_over.enter_context(shares[0].connection).fileno(),
                    upper=handed_over.enter_context(shares[1].connection).fileno(),
                )
                ports = Ports(control, monitor, self._shell_socket)
                stack.callback(ports.close)
                powered_on = await stack.enter_async_context(
                    self._qemu(machine, descriptors, shares)
                )
            yield powered_on, QemuVm(powered_on, ports, self.settings.deadlines)

    @property
    def _shell_socket(self) -> Path:
        return Path(self.spec.runtime_directory, _SHELL_SOCKET)

    def _qemu(
        self, machine: MachineType, descriptors: Descriptors, shares: tuple[Share, ...]
    ) -> AbstractAsyncContextManager[PoweredOn]:
        resources = self.spec.resources
        kernel = self.kernel.loaded(self.settings.append)
        bare = machine_argv(self.qemu, machine, self.processor, resources, kernel)
        named = ("-name", f"bbox-{self.spec.session}")  # for who looks at `ps`
        uses_device = self.processor.accelerator is Accelerator.KVM
        command = Command(
            argv=(*bare, *named, *device_argv(machine, resources, descriptors)),
            user=self.settings.user,
            groups=device_groups(self.settings.kvm_device) if uses_device else (),
            pass_fds=(*self.kernel.descriptors, *descriptors.all()),
        )
        return power_on(command, Path(self.spec.console_log), shares)

    def _lower(self) -> ServedDirectory:
        share = self.spec.share
        directory = Path(share.lower)
        if not share.is_direct:
            return ServedDirectory(directory=directory, access=Access.READ)
        masks = Path(self.spec.runtime_directory, _MASKS)
        pairs = [os.fsencode(part) for mask in share.masks for part in (mask.source, mask.path)]
        masks.write_bytes(b"".join(part + b"\0" for part in pairs))
        return ServedDirectory(directory=directory, access=Access.DIRECT, masks=masks)

    def _upper(self) -> ServedDirectory:
        return ServedDirectory(directory=Path(self.spec.share.upper), access=Access.WRITE)

    def _share(self, tag: str, served: ServedDirectory) -> AbstractAsyncContextManager[Share]:
        socket_path = Path(self.spec.runtime_directory, tag)
        return serve_share(self.share_program, served, self.settings.user, socket_path)

    def _network(self) -> socket.socket:
        try:
            connection = connect_to(Path(self.spec.network_socket))
        except OSError as error:
            raise BboxError(
                ErrorCode.EGRESS_RELAY_FAILED,
                cause=f"The relay does not listen: {error.strerror}.",
                remediation="Start a new session.",
            ) from error
        connection.settimeout(None)
        return connection


def _pair(ours: AsyncExitStack, theirs: ExitStack) -> tuple[socket.socket, socket.socket]:
    first, second = socket.socketpair()
    return ours.enter_context(first), theirs.enter_context(second)


def _open_root(path: HostPath, stack: ExitStack) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BboxError(
            ErrorCode.IMAGE_CORRUPT,
            cause=f"The image's root filesystem can't be opened: {error.strerror}.",
            remediation="Remove the image and get it again.",
        ) from error
    stack.callback(os.close, fd)
    return fd
