# SPDX-License-Identifier: Apache-2.0
"""What the guest's network did, as the user is told (egress.md, Events)."""

from dataclasses import dataclass
from enum import StrEnum


class EgressEventKind(StrEnum):
    """Kinds of network events."""

    BLOCKED = "blocked"
    OPEN = "open"
    CLOSE = "close"
    ASK = "ask"
    RESOLVED = "resolved"
    DNS_BLOCKED = "dns-blocked"
    FLOOD = "flood"
    LINK_VIOLATION = "link-violation"


class BlockReason(StrEnum):
    """Why a connection did not come about."""

    HOST_NOT_IN_PROFILE = "host-not-in-profile"
    PORT_NOT_ALLOWED = "port-not-allowed"
    DIRECT_IP = "direct-ip"
    SNI_MISMATCH = "sni-mismatch"
    NO_SNI = "no-sni"
    NO_CLIENT_HELLO = "no-client-hello"
    HTTP_HOST_MISMATCH = "http-host-mismatch"
    RESOLVES_TO_PRIVATE = "resolves-to-private"
    UDP_NOT_ALLOWED = "udp-not-allowed"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    DENIED_BY_USER = "denied-by-user"
    UPSTREAM_REFUSED = "upstream-refused"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    RESOLVE_FAILED = "resolve-failed"
    PROXY_REFUSED = "proxy-refused"


class CloseReason(StrEnum):
    """How a connection ended."""

    DONE = "done"
    GUEST_RST = "guest-rst"
    PEER_RST = "peer-rst"
    IDLE = "idle"
    POLICY_CHANGE = "policy-change"


class Transport(StrEnum):
    """What carries the data."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressEvent:
    """One thing that the guest's network did.

    Host and SNI are the guest's own words, escaped and at most 253 characters: text to show,
    never a link.

    Attributes:
        id: Counts from 1 within one relay; gaps mean that events were dropped. 0: not told yet.
        at: Seconds since the epoch, when it was told.
        host: The name that the guest asked for; None for a bare address.
        address: What the guest connected to. Made up where there is a host.
        rule: The allow-list entry that matched.
        count: How many of the same since `first_at`.
        flow: Joins the open and the close of one connection.
        real_address: What the host connected to.
        up_bytes: From the guest; `down_bytes` to it.
    """

    kind: EgressEventKind
    id: int = 0
    at: float = 0.0
    host: str | None = None
    address: str = ""
    port: int = 0
    transport: Transport = Transport.TCP
    reason: BlockReason | None = None
    sni: str | None = None
    rule: str = ""
    count: int = 1
    first_at: float = 0.0
    flow: int = 0
    real_address: str = ""
    up_bytes: int = 0
    down_bytes: int = 0
    elapsed_ms: int = 0
    close: CloseReason | None = None

    @property
    def can_be_allowed(self) -> bool:
        """Whether a rule could allow it: only names can be allowed, and only once they match."""
        return self.host is not None and self.reason in _ALLOWABLE


_ALLOWABLE = frozenset({BlockReason.HOST_NOT_IN_PROFILE, BlockReason.PORT_NOT_ALLOWED})
