# SPDX-License-Identifier: Apache-2.0
"""The way to the guest: frames out, when it takes them."""

import asyncio
import socket

from typing_extensions import override

from bbox_server.infra.egress.flow_context import Paced, Wire
from bbox_server.infra.egress.frame import FrameWriter


class GuestWire(Wire):
    """Collects frames and sends them once the frames at hand were looked at.

    What finds no room is lost: TCP repeats it, and a guest that doesn't read has itself to blame.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._frames = FrameWriter()
        # Dictionaries for their order.
        self._due: dict[Paced, None] = {}
        self._waiting: dict[Paced, None] = {}
        self._is_planned = False
        self._is_blocked = False
        self._closed = False

    @override
    def send(self, header: bytes, payload: bytes = b"") -> None:
        self._frames.add(header, payload)
        self._plan()

    @override
    def data_room(self) -> int:
        return self._frames.data_room()

    @override
    def acknowledge_later(self, flow: Paced) -> None:
        self._due[flow] = None
        self._plan()

    @override
    def wait_for_room(self, flow: Paced) -> None:
        self._waiting[flow] = None

    def flush(self) -> None:
        """Send what is due now."""
        self._is_planned = False
        due, self._due = self._due, {}
        for flow in due:
            flow.acknowledge()
        self._is_planned = False
        if self._closed:
            return
        try:
            self._frames.flush(self._link)
        except OSError:
            # The reading side sees the end of the stream as well, and ends the link.
            return
        self._watch()
        if self._frames.is_empty:
            waiting, self._waiting = self._waiting, {}
            for flow in waiting:
                flow.resume()

    def close(self) -> None:
        """Stop using the socket, which belongs to the caller."""
        self._closed = True
        if self._is_blocked:
            self._loop.remove_writer(self._link)

    def _plan(self) -> None:
        if not self._is_planned and not self._closed:
            self._is_planned = True
            self._loop.call_soon(self.flush)

    def _watch(self) -> None:
        if self._is_blocked == self._frames.is_empty:
            self._is_blocked = not self._is_blocked
            if self._is_blocked:
                self._loop.add_writer(self._link, self.flush)
            else:
                self._loop.remove_writer(self._link)
