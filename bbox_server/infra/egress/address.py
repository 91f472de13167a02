# SPDX-License-Identifier: Apache-2.0
"""Which addresses the relay may dial for the guest."""

import ipaddress
import socket
from enum import Enum, auto
from typing import Final


class Reach(Enum):
    """Who answers at an address."""

    PUBLIC = auto()
    PRIVATE = auto()
    FORBIDDEN = auto()


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# The host, its local network and its provider's: a rule may open them.
_PRIVATE: Final = _networks(
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1/128", "fc00::/7"),
)
# Never: this network, link-local and metadata, protocol assignments, documentation, 6to4 relays,
# benchmarks (our own made-up addresses), multicast, reserved, Azure's host agent (IANA IPv4
# special-purpose registry).
_FORBIDDEN: Final = _networks(
    *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    "168.63.129.16/32",
    # Within 2000::/3: protocol assignments with Teredo, documentation (twice), 6to4.
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
# Everything else of IPv6 is link-local, multicast, v4-mapped, v4-compatible, NAT64 or unassigned.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_DISCARD_PORT: Final = 9


def reach(address: str) -> Reach:
    """Classify the text of an address as getaddrinfo returns it, with or without a scope."""
    parsed = ipaddress.ip_address(address)
    if any(parsed in network for network in _FORBIDDEN):
        return Reach.FORBIDDEN
    if any(parsed in network for network in _PRIVATE):
        return Reach.PRIVATE
    if parsed.version == 6 and parsed not in _GLOBAL_UNICAST:  # noqa: PLR2004 - IP version
        return Reach.FORBIDDEN
    return Reach.PUBLIC


def is_own(address: str) -> bool:
    """Whether a public address is this host's: then it would be its own source address.

    A datagram socket that is connected sends nothing.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _DISCARD_PORT))
            return str(probe.getsockname()[0]) == address
    except OSError:
        # No such family or no route: it can't be this host's.
        return False


def may_dial(address: str, *, allow_private: bool) -> bool:
    """Whether the guest may be connected to this address."""
    match reach(address):
        case Reach.PUBLIC:
            return allow_private or not is_own(address)
        case Reach.PRIVATE:
            return allow_private
        case Reach.FORBIDDEN:
            return False
