# SPDX-License-Identifier: Apache-2.0
"""`agents.NAME.providers.ID`: a provider of the user's own, served as the known ones are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.agent import Agent, AgentProvider, template_names
from bbox_server.domain.credential import (
    BEARER,
    ROUTES,
    ApiKey,
    KeyHeader,
    ProviderId,
    ProviderRoute,
)
from bbox_server.domain.forwarding import is_key_header

BASE_URL: Final = "base_url"
PLACEHOLDER: Final = "placeholder"

_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSection:
    """A provider as it is written; its values have no faults.

    Attributes:
        key: Host variable that has the key.
        prefix: Before the key in its header; None is `Bearer ` in Authorization, else nothing.
        env: What points the agent to the proxy, with `${base_url}` and `${placeholder}`.
    """

    base_url: str
    key: str
    header: str | None = None
    prefix: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def provider(self, name: str) -> AgentProvider:
        """As an agent has it. Raises: credential.invalid-route."""
        route = ProviderRoute(
            provider=ProviderId(name),
            mount=f"/own/{name}",
            upstream="",
            upstream_variable="",
            credential=ApiKey(header=self._key_header(), environment_names=(self.key,)),
        )
        return AgentProvider(
            id=route.provider, env=dict(self.env), own_route=route.to(self.base_url)
        )

    def _key_header(self) -> KeyHeader:
        name = self.header or BEARER.name
        is_bearer = name.lower() == BEARER.name.lower()
        usual = BEARER.prefix if is_bearer else ""
        return KeyHeader(name=name, prefix=usual if self.prefix is None else self.prefix)


def with_providers(
    agent: Agent, sections: Mapping[str, ProviderSection] | None
) -> tuple[AgentProvider, ...]:
    """An agent's providers and the user's own, which take the place of one of the same name."""
    own = {name: section.provider(name) for name, section in (sections or {}).items()}
    kept = (provider for provider in agent.providers if provider.id not in own)
    return (*kept, *own.values())


def id_fault(name: str) -> str:
    """What is wrong with a provider's name, or nothing."""
    if name in ROUTES:
        variable = ROUTES[ProviderId(name)].upstream_variable
        at = f"; its base URL is the variable {variable}" if variable else ""
        return f"{name} is known already{at}"
    if not _ID.fullmatch(name):
        return f"{name[:40]!r} is no provider's name: small letters, digits and `-`, a letter first"
    return ""


def key_fault(name: str) -> str:
    """What is wrong with the name of the key's variable, or nothing."""
    if _VARIABLE.fullmatch(name):
        return ""
    return "key is the name of the variable that has the key, such as ACME_API_KEY, not the key"


def header_fault(name: str) -> str:
    """What is wrong with the name of a header, or nothing."""
    return "" if is_key_header(name) else f"{name[:40]!r} is no header that can carry a key"


def prefix_fault(text: str) -> str:
    """What is wrong with what stands before the key, or nothing."""
    if text.isascii() and text.isprintable() and len(text) <= _PREFIX_LIMIT:
        return ""
    return f"a prefix is up to {_PREFIX_LIMIT} printable characters"


_PREFIX_LIMIT: Final = 40


def env_fault(env: Mapping[str, str]) -> str:
    """What is wrong with the templates of the agent's variables, or nothing."""
    used: set[str] = set()
    for name, template in env.items():
        if not _VARIABLE.fullmatch(name):
            return f"{name[:40]!r} is no variable's name"
        try:
            used |= template_names(template)
        except ValueError:
            return f"{name} has a lone $ (write $$)"
    if unknown := sorted(used - {BASE_URL, PLACEHOLDER}):
        return f"${{{unknown[0]}}} is unknown: there are ${{base_url}} and ${{placeholder}}"
    if missing := sorted({BASE_URL, PLACEHOLDER} - used):
        return f"no variable has ${{{missing[0]}}}, without which the agent can't use the proxy"
    return ""
