# SPDX-License-Identifier: Apache-2.0
"""A provider's route with a login in the place of a key."""

from collections.abc import Mapping
from dataclasses import replace

from bbox_server.domain.credential import (
    BEARER,
    ApiKey,
    ProviderRoute,
    ServedRoute,
    checked_upstream,
)
from bbox_server.domain.held_login import (
    KINDS,
    HeldLogin,
    LoginForm,
    LoginKind,
    LoginPlace,
    LoginTokens,
)
from bbox_server.domain.secret import Secret

ACCOUNT_HEADER = "ChatGPT-Account-Id"


def serve_token(
    route: ProviderRoute, form: LoginForm, environ: Mapping[str, str]
) -> ServedRoute | None:
    """A lasting token from the host's environment, or None. Raises: credential.invalid-route."""
    kind = KINDS[form]
    value = environ.get(kind.token_variable, "").strip() if kind.token_variable else ""
    if not value.isascii() or not value.isprintable() or " " in value or not value:
        return None
    return _served(route, kind, LoginTokens(access=Secret(value=value)), environ)


def serve_login(
    route: ProviderRoute,
    source: tuple[str, LoginForm, LoginPlace],
    tokens: LoginTokens,
    environ: Mapping[str, str],
) -> ServedRoute:
    """A login from its file: `source` is the agent, the form and the place.

    Raises: credential.invalid-route.
    """
    if tokens.is_key:
        upstream = environ.get(route.upstream_variable, "")
        return ServedRoute(route=route.to(upstream) if upstream else route, key=tokens.access)
    agent, form, place = source
    login = HeldLogin(
        agent=agent,
        form=form,
        place=place,
        endpoint=_endpoint(KINDS[form], environ),
        expires_at_s=tokens.expires_at_s,
    )
    return replace(_served(route, KINDS[form], tokens, environ), login=login)


def _served(
    route: ProviderRoute, kind: LoginKind, tokens: LoginTokens, environ: Mapping[str, str]
) -> ServedRoute:
    upstream = environ.get(route.upstream_variable, "") or kind.upstream
    account = ((ACCOUNT_HEADER, tokens.account),) if tokens.account else ()
    names = route.credential.environment_names
    return ServedRoute(
        route=replace(
            route.to(upstream), credential=ApiKey(header=BEARER, environment_names=names)
        ),
        key=tokens.access,
        paths=kind.paths,
        added=(*kind.added, *account),
    )


def _endpoint(kind: LoginKind, environ: Mapping[str, str]) -> str:
    base = environ.get(kind.endpoint_variable, "").strip()
    return checked_upstream(base) + kind.endpoint_path if base else kind.endpoint
