# SPDX-License-Identifier: Apache-2.0
"""A provider with logins: an endpoint that rotates tokens, and an API that wants the newest."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from bbox_server.domain.credential import ANTHROPIC, ServedRoute
from bbox_server.domain.held_login import KINDS, LoginForm, LoginPlace, read_tokens
from bbox_server.domain.login_route import serve_login
from bbox_server.infra.credential.held_login_files import HeldLoginFiles
from bbox_server.infra.credential.proxy import ProcessCredentialProxy
from tests.infra.credential.provider import USER, Guest, provider, running

PATH = KINDS[LoginForm.CLAUDE].path
TOKEN_PATH = KINDS[LoginForm.CLAUDE].endpoint_path


def login_file(number: int, expires_at_ms: float) -> bytes:
    login = {
        "accessToken": f"access-{number}",
        "refreshToken": f"refresh-{number}",
        "expiresAt": expires_at_ms,
    }
    return json.dumps({"claudeAiOauth": login, "kept": 1}).encode()


@dataclass
class LoginProvider:
    """Takes each refresh token once.

    Attributes:
        number: Of the tokens that are good now.
        renewals: Refresh tokens that it was shown.
        failure: What the endpoint answers in place of tokens: status and body.
        asked: What the API was asked: path, authorization, anthropic-beta.
    """

    number: int = 1
    expires_in_s: float = 3600
    renewals: list[str] = field(default_factory=list)
    failure: tuple[int, str] | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    before_renewal: Callable[[], None] = lambda: None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == TOKEN_PATH:
            return self._renew(await request.json())
        authorization = request.headers.get("Authorization", "")
        beta = request.headers.get("anthropic-beta", "")
        self.asked.append((request.path, authorization, beta))
        if authorization != f"Bearer access-{self.number}":
            return web.json_response({"error": "stale"}, status=401)
        return web.json_response({"echo": authorization})

    def _renew(self, body: dict[str, str]) -> web.StreamResponse:
        self.before_renewal()
        self.renewals.append(body["refresh_token"])
        if self.failure is not None:
            status, text = self.failure
            return web.Response(status=status, text=text)
        if body["refresh_token"] != f"refresh-{self.number}":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.number += 1
        return web.json_response(
            {
                "access_token": f"access-{self.number}",
                "refresh_token": f"refresh-{self.number}",
                "expires_in": self.expires_in_s,
            }
        )


@dataclass(frozen=True)
class Home:
    """The user's own files, and bbox's."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / "home" / PATH

    @property
    def files(self) -> HeldLoginFiles:
        return HeldLoginFiles(config=self.root / "config", home=self.root / "home")

    def log_in(self, number: int, expires_at_ms: float) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(login_file(number, expires_at_ms))

    def served(self, port: int) -> ServedRoute:
        base = f"http://127.0.0.1:{port}"
        tokens = read_tokens(LoginForm.CLAUDE, self.file.read_bytes())
        assert tokens is not None
        source = ("claude-code", LoginForm.CLAUDE, LoginPlace.HOME)
        environ = {"ANTHROPIC_BASE_URL": base, "CLAUDE_CODE_CUSTOM_OAUTH_URL": base}
        return serve_login(ANTHROPIC, source, tokens, environ)


@asynccontextmanager
async def logged_in(there: LoginProvider, home: Home) -> AsyncIterator[Guest]:
    """A session with the user's login."""
    async with provider(there.answer) as port:
        proxy = ProcessCredentialProxy(user=USER, environment={}, logins=home.files)
        async with running(proxy, home.served(port)) as guest:
            yield guest
