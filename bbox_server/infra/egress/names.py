# SPDX-License-Identifier: Apache-2.0
"""One made-up address for each name the guest asked for."""

import ipaddress
from typing import Final

# RFC 2544's benchmark range: never routed, and refused as a real destination.
_NETWORK: Final = ipaddress.IPv4Network("198.18.0.0/15")
_MAX_NAMES: Final = 32_768
_MAX_UNKNOWN: Final = 16_384


class NameTable:
    """Names and their addresses; an address is never given to a second name.

    Names that no rule allows can fill half of the table only.
    """

    def __init__(self) -> None:
        self._address_of: dict[str, bytes] = {}
        self._name_of: dict[bytes, str] = {}
        self._unknown = 0

    def address(self, name: str, *, known: bool) -> bytes | None:
        """The name's address; None where the table is full."""
        address = self._address_of.get(name)
        if address is not None:
            return address
        if len(self._address_of) >= _MAX_NAMES or (not known and self._unknown >= _MAX_UNKNOWN):
            return None
        self._unknown += not known
        address = _NETWORK[len(self._address_of) + 1].packed
        self._address_of[name] = address
        self._name_of[address] = name
        return address

    def name(self, address: bytes) -> str | None:
        """Whose address this is."""
        return self._name_of.get(address)
