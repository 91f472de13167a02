# SPDX-License-Identifier: Apache-2.0
"""The one message to the proxy's process: JSON on its standard input.

Neither arguments nor environment: other processes of the user can read those.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from bbox_server.domain.credential import (
    ApiKey,
    CredentialProxySpec,
    KeyHeader,
    PlaceholderToken,
    ProviderId,
    ProviderRoute,
    ServedRoute,
)
from bbox_server.domain.held_login import HeldLogin, LoginForm, LoginPlace
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.secret import Secret
from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What the process starts with.

    Attributes:
        uid: Who may connect to the socket; a process of root's becomes this user.
        logins: Descriptor of a socket at which logins are renewed (login_desk); None without any.
    """

    spec: CredentialProxySpec
    uid: int
    gid: int
    logins: int | None = None


def encode(handover: Handover) -> bytes:
    """As the process reads it from its standard input."""
    return json.dumps(asdict(handover)).encode()


def decode(data: bytes) -> Handover:
    """Read what `encode` wrote; our own process wrote it, so a fault is a defect."""
    message: dict[str, Any] = json.loads(data)
    spec = message["spec"]
    return Handover(
        spec=CredentialProxySpec(
            socket=HostPath(spec["socket"]),
            placeholder=PlaceholderToken(spec["placeholder"]),
            routes=tuple(_served(served) for served in spec["routes"]),
            limits=KeyLimits(**spec["limits"]),
        ),
        uid=message["uid"],
        gid=message["gid"],
        logins=message["logins"],
    )


def _served(served: dict[str, Any]) -> ServedRoute:
    route = served["route"]
    credential = route["credential"]
    return ServedRoute(
        route=ProviderRoute(
            provider=ProviderId(route["provider"]),
            mount=route["mount"],
            upstream=route["upstream"],
            upstream_variable=route["upstream_variable"],
            credential=ApiKey(
                header=KeyHeader(**credential["header"]),
                environment_names=tuple(credential["environment_names"]),
            ),
        ),
        key=Secret(value=served["key"]["value"]),
        login=_login(served["login"]) if served["login"] else None,
        paths=tuple(served["paths"]),
        added=tuple((name, value) for name, value in served["added"]),
    )


def _login(login: dict[str, Any]) -> HeldLogin:
    form, place = LoginForm(login["form"]), LoginPlace(login["place"])
    return HeldLogin(**{**login, "form": form, "place": place})
