# SPDX-License-Identifier: Apache-2.0
"""The environment of a run: what is carried from the host, and what can't be overridden."""

from collections.abc import Mapping
from itertools import chain
from typing import Final

from bbox_server.domain.agent import Access, Agent
from bbox_server.domain.credential import ROUTES
from bbox_server.domain.environment import (
    GIT_IDENTITY_NAMES,
    GIT_TOKEN_NAMES,
    ForwardedVariables,
    RunFacts,
    assembled,
    carry,
    matches,
    merged_patterns,
    missing_names,
    universal,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.held_login import KINDS
from bbox_server.domain.launch import GUEST_AGENT_SOCKET
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.ssh_agent import SOCKET_VARIABLE

# What a terminal program needs to draw rightly (compat VM-12).
TERMINAL_NAMES: Final = ("TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE")

KEY_STAYS: Final = "the provider's key, and where it is used, stay on this host"
# Keys stay on the host, and so does where they are used; tokens need more than a pattern (P-23).
NEVER_FORWARDED: Final[Mapping[str, str]] = {
    **dict.fromkeys(GIT_TOKEN_NAMES, "no pattern forwards a token of GitHub"),
    **{
        name: KEY_STAYS
        for route in ROUTES.values()
        for name in (*route.credential.environment_names, route.upstream_variable)
    },
    **{
        name: KEY_STAYS
        for kind in KINDS.values()
        for name in (kind.token_variable, kind.endpoint_variable)
        if name
    },
}

GUEST_CERTIFICATES: Final = "/run/bbox/ca-certificates.crt"
# OpenSSL, Node, pip, requests, curl and git each read a variable of their own.
CERTIFICATE_VARIABLES: Final = dict.fromkeys(
    (
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "PIP_CERT",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
    ),
    GUEST_CERTIFICATES,
)


def check_required(request: RunRequest, agent: Agent | None) -> None:
    """See that everything the agent needs is set (compat AGT-13). Raises: environment.missing."""
    required = merged_patterns(agent.env_required if agent else (), request.env_required)
    missing = missing_names(required, request.environ)
    if missing:
        name = agent.name if agent else "The run"
        raise BboxError(
            ErrorCode.ENVIRONMENT_MISSING,
            cause=f"{name} needs {', '.join(missing)}.",
            remediation=f"Set it first: `export {missing[0]}=…`; an empty value will do.",
        )


def forwarded_variables(request: RunRequest, agent: Agent | None) -> ForwardedVariables:
    """What is carried of the host's environment."""
    patterns = merged_patterns(agent.env_forward if agent else (), request.env_forward)
    never = {
        name: why
        for name, why in {**NEVER_FORWARDED, **_own_keys_stay(agent)}.items()
        if why != KEY_STAYS or agent is None or name not in agent.own_keys
    }
    return carry((*patterns, *GIT_IDENTITY_NAMES, *TERMINAL_NAMES), request.environ, never)


def _own_keys_stay(agent: Agent | None) -> dict[str, str]:
    """As for the known providers, for those that the user's config defines."""
    routes = (one.own_route for one in (agent.providers if agent else ()))
    names = (route.credential.environment_names for route in routes if route is not None)
    return dict.fromkeys(chain.from_iterable(names), KEY_STAYS)


def has_own_credential(agent: Agent | None, forwarded: ForwardedVariables) -> bool:
    """Whether a variable that the agent itself understands lets it do without a provider's key."""
    patterns = agent.env_forward if agent else ()
    return any(matches(pattern, name) for pattern in patterns for name in forwarded.secrets)


def guest_environment(
    forwarded: ForwardedVariables,
    agent: Agent | None,
    shares: Mapping[str, str],
    authoritative: Mapping[str, str],
    *,
    ask: bool = False,
) -> dict[str, str]:
    """Agent's defaults, memory caps, what is carried, and last what nothing overrides (ENV-05).

    Args:
        forwarded: What is carried of the host's.
        agent: Has defaults.
        shares: What stands where the user's environment says nothing: caps, and who commits.
        authoritative: What nothing overrides.
        ask: The agent's own approvals stay on.
    """
    return assembled(
        defaults=agent.defaults(ask=ask) if agent else {},
        shares=shares,
        forwarded_variables=forwarded.values,
        authoritative=authoritative,
    )


def tell_forwarded(
    request: RunRequest, forwarded: ForwardedVariables, progress: ProgressObserver
) -> None:
    """Say which variables go into the guest, the secret ones aloud, and which don't."""
    secrets = forwarded.secrets
    if secrets:
        progress.warned(f"The agent can read these secrets of yours: {', '.join(secrets)}")
    named = [name for name in forwarded.names if name not in {*secrets, *TERMINAL_NAMES}]
    if named:
        progress.noted(f"Environment: {', '.join(named)}")
    for name, reason in forwarded.held_back.items():
        # An agent's own pattern may match a key that the proxy serves: as it should be.
        is_asked = any(matches(pattern, name) for pattern in request.env_forward)
        if reason != KEY_STAYS or is_asked:
            progress.warned(f"{name} is not carried: {reason}")
    exact = [pattern for pattern in request.env_forward if not pattern.endswith("*")]
    for name in missing_names(exact, request.environ):
        progress.warned(f"{name} is not carried: it is not set")


def own_variables(
    agent: Agent | None, access: Access, facts: RunFacts, *, has_certificates: bool
) -> dict[str, str]:
    """What bbox itself says: providers, certificates, facts of the run (AGT-12)."""
    return {
        **(agent.provider_environment(access) if agent else {}),
        **(CERTIFICATE_VARIABLES if has_certificates else {}),
        "GIT_TERMINAL_PROMPT": "0",
        **({SOCKET_VARIABLE: GUEST_AGENT_SOCKET} if facts.has_ssh_agent else {}),
        **universal(facts),
    }
