# SPDX-License-Identifier: Apache-2.0
"""Ports of the host that lead to ports of the guest (compat CLI-09)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode

_LARGEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class PortForward:
    """A port of the host's loopback address, and the guest's port behind it."""

    host_port: int
    guest_port: int


def parse_port_forwards(words: Iterable[str]) -> tuple[PortForward, ...]:
    """What `--port HOST:GUEST`, each word once, asks for.

    Raises:
        BboxError: cli.usage for what is no pair of ports, and for a host port given twice.
    """
    forwards: dict[int, PortForward] = {}
    for word in words:
        host, colon, guest = word.partition(":")
        forward = PortForward(host_port=_port(host, word), guest_port=_port(guest, word))
        if not colon or forward.host_port in forwards:
            raise _invalid(word)
        forwards[forward.host_port] = forward
    return tuple(forwards.values())


def _port(text: str, word: str) -> int:
    digits = text.strip()
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_LARGEST_PORT))
    if not is_number or not 1 <= int(digits) <= _LARGEST_PORT:
        raise _invalid(word)
    return int(digits)


def _invalid(word: str) -> BboxError:
    return BboxError(
        ErrorCode.CLI_USAGE,
        cause=f"“{word}” is no HOST:GUEST pair of ports from 1 to 65535, each host port once.",
        remediation="Write for example --port 8080:80.",
    )
