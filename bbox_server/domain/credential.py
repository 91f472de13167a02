# SPDX-License-Identifier: Apache-2.0
"""Provider keys: where the host finds them, and the proxy that alone holds them."""

import ipaddress
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Final, NewType, Protocol
from urllib.parse import urlsplit

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.held_login import HeldLogin, Lasting
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.secret import Secret
from bbox_server.domain.session import EventValue, SessionObserver
from bbox_server.domain.workspace import HostPath

ProviderId = NewType("ProviderId", str)

PlaceholderToken = NewType("PlaceholderToken", str)
"""Random, made per run; it stands for the key in the guest and is worthless elsewhere."""

GATEWAY_PORT: Final = 4484
"""Where the relay offers the proxy's socket to the guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHeader:
    """The header, and what stands before the key in it."""

    name: str
    prefix: str = ""


BEARER: Final = KeyHeader(name="Authorization", prefix="Bearer ")
X_API_KEY: Final = KeyHeader(name="x-api-key")
X_GOOG_API_KEY: Final = KeyHeader(name="x-goog-api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that does not expire.

    Attributes:
        header: Carries the key to the provider.
        environment_names: Where the host's key is looked up, the first one set wins.
    """

    header: KeyHeader
    environment_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRoute:
    """One provider that the proxy serves.

    Attributes:
        mount: Path of the guest's base URL, such as `/openai/v1`.
        upstream: Base URL that takes the mount's place.
        upstream_variable: Host variable with another base URL, as the provider's own clients
            read it.
        credential: How the host authenticates with a key; logins: domain/login_route.
    """

    provider: ProviderId
    mount: str
    upstream: str
    upstream_variable: str
    credential: ApiKey

    def to(self, upstream: str) -> "ProviderRoute":
        """The same provider at another base URL. Raises: credential.invalid-route."""
        return replace(self, upstream=checked_upstream(upstream))


OPENAI: Final = ProviderRoute(
    provider=ProviderId("openai"),
    mount="/openai/v1",
    upstream="https://api.openai.com/v1",
    upstream_variable="OPENAI_BASE_URL",
    credential=ApiKey(header=BEARER, environment_names=("OPENAI_API_KEY", "CODEX_API_KEY")),
)
ANTHROPIC: Final = ProviderRoute(
    provider=ProviderId("anthropic"),
    mount="/anthropic",
    upstream="https://api.anthropic.com",
    upstream_variable="ANTHROPIC_BASE_URL",
    credential=ApiKey(header=X_API_KEY, environment_names=("ANTHROPIC_API_KEY",)),
)
GOOGLE: Final = ProviderRoute(
    provider=ProviderId("google"),
    mount="/google",
    upstream="https://generativelanguage.googleapis.com",
    upstream_variable="GOOGLE_GEMINI_BASE_URL",
    credential=ApiKey(
        header=X_GOOG_API_KEY, environment_names=("GEMINI_API_KEY", "GOOGLE_API_KEY")
    ),
)
OPENROUTER: Final = ProviderRoute(
    provider=ProviderId("openrouter"),
    mount="/openrouter/v1",
    upstream="https://openrouter.ai/api/v1",
    upstream_variable="OPENROUTER_BASE_URL",
    credential=ApiKey(header=BEARER, environment_names=("OPENROUTER_API_KEY",)),
)


ROUTES: Final[Mapping[ProviderId, ProviderRoute]] = {
    route.provider: route for route in (OPENAI, ANTHROPIC, GOOGLE, OPENROUTER)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRoute:
    """A route with the host's key for it.

    Attributes:
        key: Of a login, the access token that the session begins with.
        login: What is renewed while the session runs; None for a key that lasts.
        paths: Below the base URL, what the guest may ask; empty is anything.
        added: Headers beside the key's.
    """

    route: ProviderRoute
    key: Secret
    login: HeldLogin | None = None
    paths: tuple[str, ...] = ()
    added: tuple[tuple[str, str], ...] = ()

    def using(self, token: Lasting) -> "ServedRoute":
        """The same with the access token of now."""
        return replace(self, key=token.access)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialProxySpec:
    """One session's proxy.

    Attributes:
        socket: Unix socket that the proxy makes; the egress relay connects to it.
    """

    socket: HostPath
    placeholder: PlaceholderToken
    routes: tuple[ServedRoute, ...]
    limits: KeyLimits = field(default_factory=KeyLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUse:
    """One request of the guest, for the audit log: sizes and names, never content.

    Attributes:
        provider: Empty if no route matched.
        path: Without values of the query, escaped, at most 300 characters.
        status: What the guest was answered; 0 if it went away first.
        refused: Why the proxy itself answered, or empty.
        count: Refusals that this line stands for.
    """

    provider: str
    method: str
    path: str
    status: int
    up_bytes: int
    down_bytes: int
    elapsed_ms: int
    refused: str = ""
    count: int = 1

    def fields(self) -> Mapping[str, EventValue]:
        """As fields of a `credential.used` event."""
        return {
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "up_bytes": self.up_bytes,
            "down_bytes": self.down_bytes,
            "elapsed_ms": self.elapsed_ms,
            "refused": self.refused,
            "count": self.count,
        }


class RunningProxy(Protocol):
    """A proxy that listens."""

    async def wait(self) -> None:
        """Return when it ended by itself; the guest is then without its provider.

        Raises: credential.proxy-failed, with what it said last.
        """
        ...


class CredentialProxy(Protocol):
    """Starts proxies."""

    def new_placeholder(self) -> PlaceholderToken:
        """A fresh one for one run."""
        ...

    def start(
        self, spec: CredentialProxySpec, observer: SessionObserver
    ) -> AbstractAsyncContextManager[RunningProxy]:
        """Listen; on exit the process and its socket are gone.

        The observer gets one `credential.used` event a request. Raises: credential.proxy-failed.
        """
        ...


def find_key(route: ProviderRoute, environ: Mapping[str, str]) -> ServedRoute:
    """Take the host's key from its environment. Raises: credential.missing."""
    names = route.credential.environment_names
    for name in names:
        value = environ.get(name, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise _missing(route, f"{name} has characters that no key has.")
        return ServedRoute(route=route, key=Secret(value=value))
    raise _missing(route, f"None of {', '.join(names)} is set.")


def _missing(route: ProviderRoute, cause: str) -> BboxError:
    name = route.credential.environment_names[0]
    return BboxError(
        ErrorCode.CREDENTIAL_MISSING,
        cause=f"{cause} The provider is {route.provider}.",
        remediation=f"Run `export {name}=…` in this shell and start again; "
        "the key stays on this host, the guest gets a placeholder. Or start with --login, to log "
        "in inside.",
    )


def checked_upstream(url: str) -> str:
    """A base URL without a trailing slash: https, or http to this host itself.

    Raises: credential.invalid-route.
    """
    reason = _upstream_fault(url)
    if reason:
        raise BboxError(
            ErrorCode.CREDENTIAL_INVALID_ROUTE,
            cause=f"{url!r} can't be a provider's base URL: {reason}.",
            remediation="Give a URL such as https://api.example.com/v1.",
        )
    return url.rstrip("/")


def _upstream_fault(url: str) -> str:
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        return "it has characters that a URL can't have"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "it is no URL"
    if not parts.hostname:
        return "it names no host"
    if parts.username is not None or parts.query or parts.fragment:
        return "user names, queries and fragments are not allowed"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return ""
    return "the key would cross the network in the clear; only https is allowed"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this host by definition."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
