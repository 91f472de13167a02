# SPDX-License-Identifier: Apache-2.0
"""A VM that runs: its shell channel, and the ways it ends."""

import asyncio
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError
from bbox_server.domain.vm import OwnedFd, RunningVm, StopMode, VmEnd, VmExit
from bbox_server.infra.qemu.boot import PoweredOn
from bbox_server.infra.qemu.channel import ChannelRequest
from bbox_server.infra.qemu.control import ControlPort, lost_guest
from bbox_server.infra.qemu.monitor import Monitor
from bbox_server.infra.qemu.settings import Deadlines

# READY comes after 0.1 to 0.3 s, on a loaded machine 1.5.
_FIRST_PATIENCE_S: Final = 2.0


class Ports:
    """Our ends of a machine's ports, which it may find there before it runs.

    Attributes:
        control: Commands to the guest.
        monitor: What QEMU says of itself.
    """

    def __init__(self, control: socket.socket, monitor: socket.socket, shell_socket: Path) -> None:
        self.control = ControlPort(control)
        self.monitor = Monitor(monitor)
        self._shell_socket = shell_socket
        # Asked for at power-on: the guest grants it as soon as it can, whether we look or not.
        self._first: ChannelRequest | None = ChannelRequest(shell_socket, self.control)

    def request_channel(self) -> ChannelRequest:
        """Ask for a shell channel. Raises: guest.lost."""
        request = self._first or ChannelRequest(self._shell_socket, self.control)
        self._first = None
        return request

    def close(self) -> None:
        """Close all; harmless twice."""
        if self._first is not None:
            self._first.close()
            self._first = None
        self.control.close()
        self.monitor.close()


class QemuVm(RunningVm):
    """A guest on local QEMU."""

    def __init__(self, machine: PoweredOn, ports: Ports, deadlines: Deadlines) -> None:
        self._machine = machine
        self._ports = ports
        self._deadlines = deadlines
        self._is_off = False
        self._exit: VmExit | None = None

    async def until_answered(self) -> None:
        """Wait for the guest's first answer on its control port, to the RESET of power-on.

        Raises:
            BboxError: boot.timeout, boot.failed, share.failed.
        """
        control = self._ports.control
        control.on_answer = self._machine.console.changed.set
        await self._machine.until(
            lambda: control.has_answered,
            "did not answer on its control port",
            self._deadlines.channel_s,
        )

    @override
    async def open_shell_channel(self) -> OwnedFd:
        try:
            async with asyncio.timeout(self._deadlines.channel_s):
                return await self._granted_channel()
        except TimeoutError as error:
            raise lost_guest("The guest's shell port does not answer.") from error

    @override
    async def stop(self, mode: StopMode) -> VmExit:
        match mode:
            case StopMode.GRACEFUL:
                await self._power_off()
            case StopMode.NOW:
                self._machine.qemu.kill()
        return await self.wait()

    @override
    async def wait(self) -> VmExit:
        await self._machine.qemu.wait()
        self._ports.monitor.close()
        self._machine.console.close()
        if self._exit is None:
            self._exit = VmExit(end=self._end(), console_tail=self._machine.last_words())
        return self._exit

    @override
    def console_tail(self) -> tuple[str, ...]:
        return self._machine.console.said.tail()

    @override
    def memory_kills(self) -> tuple[str, ...]:
        return tuple(self._machine.console.said.kills)

    def _end(self) -> VmEnd:
        end = self._ports.monitor.end
        if self._is_off:
            return VmEnd.POWERED_OFF
        if self._machine.console.said.has_panicked and end is VmEnd.GUEST_RESET:
            return VmEnd.GUEST_PANIC  # panic=-1 reboots at once
        return end

    async def _granted_channel(self) -> OwnedFd:
        # When a client leaves while the guest floods the port, QEMU 7.2 may keep the port throttled
        # with nothing to wake it (1 of 20 times): the next client hears nothing. Its leaving cures
        # that, so ask again, more patiently each time.
        patience_s = _FIRST_PATIENCE_S
        while True:
            request = self._ports.request_channel()
            with closing(request), suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    return await request.granted()
            patience_s *= 2

    async def _power_off(self) -> None:
        with suppress(TimeoutError, BboxError):
            async with asyncio.timeout(self._deadlines.power_off_s):
                await self._ports.control.command("OFF")
                # All is written now: the rest of the way down is not worth the wait.
                self._is_off = True
        self._ports.monitor.quit()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadlines.quit_s):
                await self._machine.qemu.wait()
        self._machine.qemu.kill()
