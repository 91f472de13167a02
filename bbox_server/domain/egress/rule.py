# SPDX-License-Identifier: Apache-2.0
"""Host rules: which name, which ports."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode

DEFAULT_PORTS: Final = (443, 80)
"""What a bare host means. The reference opens every port (egress.md, Rules)."""

_MAX_NAME: Final = 253
_MAX_LABEL: Final = 63
_MAX_PORT: Final = 65535
_LABEL_CHARACTERS: Final = re.compile(r"[a-z0-9_-]+\Z")
_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRule:
    """One entry of an allow-list.

    Attributes:
        name: Lower-case host name. `*.` before it means one or more labels more, not the apex.
        ports: As the user wrote them; none means `DEFAULT_PORTS`.
        allow_private: The name may resolve to addresses of the host or its local network.
    """

    name: str
    ports: tuple[int, ...] = ()
    allow_private: bool = False

    @property
    def open_ports(self) -> tuple[int, ...]:
        """The ports that this entry opens."""
        return self.ports or DEFAULT_PORTS

    def matches(self, name: str) -> bool:
        """Whether a lower-case host name without a trailing dot belongs to this entry."""
        if self.name.startswith("*."):
            suffix = self.name[1:]
            return name.endswith(suffix) and len(name) > len(suffix)
        return name == self.name

    @override
    def __str__(self) -> str:
        ports = ",".join(str(port) for port in self.ports)
        return f"{self.name}:{ports}" if ports else self.name


def parse_host_rule(text: str) -> HostRule:
    """Read `NAME`, `*.NAME` or `NAME:PORT` (compat EGR-04; stricter: `*.com` is refused).

    Raises:
        BboxError: egress.invalid-rule.
    """
    stripped = text.strip()
    if not stripped:
        raise _invalid(text, "it is an empty host")
    if stripped.startswith("[") or stripped.count(":") > 1:
        raise _invalid(text, "it is an IP address, and rules are made of names")
    name, colon, port = stripped.partition(":")
    if not name:
        raise _invalid(text, "it has an empty host name")
    ports = (_parse_port(text, port),) if colon else ()
    return host_rule(name, ports)


def host_rule(name: str, ports: tuple[int, ...] = (), *, allow_private: bool = False) -> HostRule:
    """A rule from its parts, as config files have them (compat EGR-06; stricter: both checked).

    Raises:
        BboxError: egress.invalid-rule.
    """
    lowered = name.lower()
    fault = name_fault(lowered)
    if fault is not None:
        raise _invalid(name, fault)
    for port in ports:
        if not 0 < port <= _MAX_PORT:
            raise _invalid(f"{name}:{port}", "a port must be non-zero and at most 65535")
    return HostRule(name=lowered, ports=ports, allow_private=allow_private)


def name_fault(name: str) -> str | None:
    """What is wrong with a rule's lower-case name; None where nothing is."""
    if name.endswith("."):
        return "it has a trailing dot"
    if _is_address(name):
        return "it is an IP address, and rules are made of names"
    if len(name) > _MAX_NAME:
        return "it exceeds 253 characters"
    labels = name.split(".")
    if labels[0] == "*":
        labels = labels[1:]
        if len(labels) < 2:  # noqa: PLR2004 - a wildcard below a public suffix opens too much
            return "a wildcard must have at least two labels after it"
    return _labels_fault(labels)


def is_host_name(name: str) -> bool:
    """Whether this is a lower-case host name without a wildcard: no address, no odd character."""
    return not name.startswith("*") and name_fault(name) is None


def _labels_fault(labels: list[str]) -> str | None:
    for label in labels:
        fault = _label_fault(label)
        if fault is not None:
            return fault
    return None


def _label_fault(label: str) -> str | None:
    if not label:
        return "it has an empty label"
    if "*" in label:
        return "the wildcard must be the entire leftmost label"
    if len(label) > _MAX_LABEL:
        return "a label exceeds 63 characters"
    if label.startswith("-") or label.endswith("-"):
        return "a label must not start or must not end with a hyphen"
    if not _LABEL_CHARACTERS.match(label):
        return "it has a character that host names don't have"
    return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _parse_port(text: str, port: str) -> int:
    if not port:
        raise _invalid(text, "it has a colon and a missing port")
    if not (port.isascii() and port.isdigit()) or len(port) > len(str(_MAX_PORT)):
        raise _invalid(text, "it has an invalid port")
    return int(port)


def _invalid(text: str, fault: str) -> BboxError:
    shown = ascii(text[:_SHOWN_CHARACTERS])
    return BboxError(
        ErrorCode.EGRESS_INVALID_RULE,
        cause=f"{shown} is no host rule: {fault}.",
        remediation="Write a host name, with a port if needed: api.example.com, "
        "*.example.com, git.example.com:22.",
    )
