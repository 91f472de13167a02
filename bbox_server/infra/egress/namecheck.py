# SPDX-License-Identifier: Apache-2.0
"""Holds a connection's first bytes back until they name the host that was asked for."""

from typing import Final, NamedTuple

from bbox_server.domain.egress.event import BlockReason
from bbox_server.infra.egress.hello import Found, Hello, client_hello, http_host

HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
_SHOWN_CHARACTERS: Final = 253


class Mismatch(NamedTuple):
    """Why a connection is ended, and the name that it gave."""

    reason: BlockReason
    name: str | None


class NameCheck:
    """The first bytes of one connection to a named host, on port 80 or 443.

    Attributes:
        is_passed: The right name was there.
    """

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._is_tls = port == HTTPS_PORT
        self._held = bytearray()
        self.is_passed = False

    @staticmethod
    def covers(port: int) -> bool:
        """Whether connections to this port name their host."""
        return port in (HTTP_PORT, HTTPS_PORT)

    @property
    def held(self) -> bytes:
        """What was held back."""
        return bytes(self._held)

    @property
    def held_bytes(self) -> int:
        """How much was held back."""
        return len(self._held)

    def add(self, data: bytes | memoryview) -> Mismatch | None:
        """Look at more bytes; a mismatch ends the connection."""
        self._held += data
        hello = client_hello(self.held) if self._is_tls else http_host(self.held)
        if hello.found is Found.INCOMPLETE:
            return None
        if hello.found is Found.NAMED and hello.name == self._name:
            self.is_passed = True
            return None
        return Mismatch(self._reason(hello), _shown(hello.name))

    def expired(self) -> Mismatch:
        """What to report when the rest never comes."""
        return Mismatch(self._reason(Hello(Found.FOREIGN)), None)

    def _reason(self, hello: Hello) -> BlockReason:
        if not self._is_tls:
            return BlockReason.HTTP_HOST_MISMATCH
        match hello.found:
            case Found.NAMED:
                return BlockReason.SNI_MISMATCH
            case Found.UNNAMED:
                return BlockReason.NO_SNI
            case Found.FOREIGN | Found.INCOMPLETE:
                return BlockReason.NO_CLIENT_HELLO


def _shown(name: str) -> str | None:
    # The guest's own bytes: what a terminal would act on is escaped here already.
    return ascii(name)[1:-1][:_SHOWN_CHARACTERS] or None
