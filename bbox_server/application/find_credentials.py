# SPDX-License-Identifier: Apache-2.0
"""Find what the proxy serves an agent's providers with: the host's keys, and its logins."""

from collections.abc import Mapping
from dataclasses import dataclass

from bbox_server.domain.agent import Agent, AgentProvider
from bbox_server.domain.credential import ROUTES, ProviderRoute, ServedRoute, find_key
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.held_login import KINDS, LoginForm, LoginPlace, LoginTokens, read_tokens
from bbox_server.domain.login import HostLogins, LoginStore
from bbox_server.domain.login_route import serve_login, serve_token
from bbox_server.domain.run import LoginOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCredentials:
    """What there is for an agent.

    Attributes:
        missing: Why a provider has nothing, in the agent's order.
    """

    served: tuple[ServedRoute, ...] = ()
    missing: tuple[BboxError, ...] = ()

    def or_login(self, *, has_login: bool) -> tuple[ServedRoute, ...]:
        """What is served; one at least, or the agent could do nothing.

        Raises: credential.missing.
        """
        if self.missing and not self.served and not has_login:
            raise self.missing[0]
        return self.served


@dataclass(frozen=True, slots=True, kw_only=True)
class FindCredentials:
    """Keys of the environment first; then a lasting token, the saved login, the user's own."""

    store: LoginStore
    host: HostLogins

    def __call__(
        self, agent: Agent | None, environ: Mapping[str, str], options: LoginOptions
    ) -> ProviderCredentials:
        """Look for all providers. Raises: credential.invalid-route, credential.store-failed."""
        served: list[ServedRoute] = []
        missing: list[BboxError] = []
        for provider, route in _routes(agent) if agent else ():
            try:
                served.append(_with_key(route, environ))
                continue
            except BboxError as error:
                if error.code is not ErrorCode.CREDENTIAL_MISSING:
                    raise
                fault = error
            login = self._login(agent, provider, route, environ, options) if agent else None
            if login is None:
                missing.append(fault)
            else:
                served.append(login)
        return ProviderCredentials(served=tuple(served), missing=tuple(missing))

    def _login(
        self,
        agent: Agent,
        provider: AgentProvider,
        route: ProviderRoute,
        environ: Mapping[str, str],
        options: LoginOptions,
    ) -> ServedRoute | None:
        form = provider.login
        # Who logs in inside wants another one; who saves none wants none from here.
        if form is None or options.inside:
            return None
        is_agents = KINDS[form].token_variable in agent.own_keys
        lasting = None if is_agents else serve_token(route, form, environ)
        if lasting is not None or not options.save:
            return lasting
        for place, tokens in self._places(agent, form):
            return serve_login(route, (agent.name, form, place), tokens, environ)
        return None

    def _places(self, agent: Agent, form: LoginForm) -> list[tuple[LoginPlace, LoginTokens]]:
        path = KINDS[form].path
        saved = self.store.load(agent.name, (path,)) if path in agent.credential_paths else ()
        own = self.host.read(path)
        found = [
            *((LoginPlace.SAVED, file) for file in saved),
            *(((LoginPlace.HOME, own),) if own else ()),
        ]
        read = [(place, read_tokens(form, file.content)) for place, file in found]
        return [(place, tokens) for place, tokens in read if tokens is not None]


def _routes(agent: Agent) -> list[tuple[AgentProvider, ProviderRoute]]:
    routes = [(one, one.own_route or ROUTES[one.id]) for one in agent.providers if one.routed]
    return [
        (provider, route)
        for provider, route in routes
        # Where the user lets the agent have the key itself, the proxy is not in its way.
        if not set(agent.own_keys) & set(route.credential.environment_names)
    ]


def _with_key(route: ProviderRoute, environ: Mapping[str, str]) -> ServedRoute:
    upstream = environ.get(route.upstream_variable, "")
    return find_key(route.to(upstream) if upstream else route, environ)
