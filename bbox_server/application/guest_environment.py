# SPDX-License-Identifier: Apache-2.0
"""The environment of a run: what is carried from the host, and what can't be overridden."""

from collections.abc import Mapping
from typing import Final

from bbox_server.domain.agent import Access, Agent
from bbox_server.domain.credential import ROUTES
from bbox_server.domain.environment import (
    GIT_IDENTITY_NAMES,
    GIT_TOKEN_NAMES,
    RunFacts,
    assembled,
    forwarded,
    merged_patterns,
    universal,
)
from bbox_server.domain.launch import GUEST_AGENT_SOCKET
from bbox_server.domain.run import RunRequest
from bbox_server.domain.ssh_agent import SOCKET_VARIABLE

# What a terminal program needs to draw rightly (compat VM-12).
TERMINAL_NAMES: Final = ("TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE")

# Keys stay on the host, and so does where they are used; tokens need more than a pattern (P-23).
NEVER_FORWARDED: Final = frozenset(
    {
        *GIT_TOKEN_NAMES,
        *(name for route in ROUTES.values() for name in route.credential.environment_names),
        *(route.upstream_variable for route in ROUTES.values()),
    }
)

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


def guest_environment(
    request: RunRequest,
    agent: Agent | None,
    shares: Mapping[str, str],
    authoritative: Mapping[str, str],
) -> dict[str, str]:
    """Agent's defaults, memory caps, what is carried, and last what nothing overrides (ENV-05).

    Args:
        request: Has the host's environment.
        agent: Has patterns and defaults.
        shares: What stands where the user's environment says nothing: caps, and who commits.
        authoritative: What nothing overrides.
    """
    patterns = merged_patterns(agent.env_forward if agent else (), request.env_forward)
    carried = forwarded(
        (*patterns, *GIT_IDENTITY_NAMES, *TERMINAL_NAMES),
        (f"{name}={value}" for name, value in request.environ.items()),
    )
    return assembled(
        defaults=agent.env if agent else {},
        shares=shares,
        forwarded_variables={n: v for n, v in carried.items() if n not in NEVER_FORWARDED},
        authoritative=authoritative,
    )


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
