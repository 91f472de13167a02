# SPDX-License-Identifier: Apache-2.0
"""The HTTP proxy that this host needs to get out, for the guest's connections as well."""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from bbox_server.domain.error import BboxError, ErrorCode

_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_EXCEPTIONS: Final = ("NO_PROXY", "no_proxy")
_DEFAULT_PORT: Final = 80
_EVERYTHING: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamProxy:
    """A proxy that takes CONNECT (RFC 9110, 9.3.6), reached in the clear.

    Attributes:
        host: A name or an address; the user's word, so that it may be a private one.
        authorization: The value of `Proxy-Authorization`; empty for none.
        exceptions: What is reached directly: names with all below them, addresses and networks;
            `*` for everything.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    exceptions: tuple[str, ...] = ()

    def serves(self, host: str) -> bool:
        """Whether a lower-case name, or an address, is reached by it."""
        return not any(_covers(one, host) for one in self.exceptions)


def parse_proxy(url: str, exceptions: str = "") -> UpstreamProxy:
    """Read `http://[USER:PASSWORD@]HOST[:PORT]`, the scheme optional, and a list as NO_PROXY has.

    Raises:
        BboxError: egress.invalid-proxy. The URL may hold a password, so it is not told.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise _invalid("it is no URL") from error
    if parts.scheme != "http":
        raise _invalid("only http:// proxies are used, by CONNECT")
    if not host or not host.isascii() or not host.isprintable() or " " in host:
        raise _invalid("it names no host")
    return UpstreamProxy(
        host=host,
        port=port,
        authorization=_authorization(parts.username, parts.password),
        exceptions=tuple(_exceptions(exceptions)),
    )


def find_proxy(configured: str | None, environ: Mapping[str, str]) -> UpstreamProxy | None:
    """The configured proxy, else the environment's as other programs read it; None without one.

    Raises:
        BboxError: egress.invalid-proxy.
    """
    urls = (environ.get(name, "") for name in _VARIABLES)
    url = configured if configured is not None else next(filter(None, urls), "")
    if not url:
        return None
    lists = (environ.get(name, "") for name in _EXCEPTIONS)
    return parse_proxy(url, next(filter(None, lists), ""))


def _authorization(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    words = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {base64.b64encode(words.encode()).decode()}"


def _exceptions(text: str) -> list[str]:
    entries = (entry.strip().lower() for entry in text.replace(" ", ",").split(","))
    names = (_without_port(entry).removeprefix("*.").removeprefix(".") for entry in entries)
    return [name for name in names if name]


def _without_port(entry: str) -> str:
    # What has more colons is an IPv6 address; a port of an exception is not told apart.
    return entry.partition(":")[0] if entry.count(":") == 1 else entry.strip("[]")


def _covers(exception: str, host: str) -> bool:
    if exception in {_EVERYTHING, host} or host.endswith(f".{exception}"):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(exception, strict=False)
    except ValueError:
        return False


def _invalid(why: str) -> BboxError:
    return BboxError(
        ErrorCode.EGRESS_INVALID_PROXY,
        cause=f"The proxy for the guest's network can't be used: {why}.",
        remediation="Write http://HOST:PORT in `network.proxy` or HTTPS_PROXY; NO_PROXY=* or an "
        "empty `network.proxy` goes without.",
    )
