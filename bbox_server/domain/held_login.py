# SPDX-License-Identifier: Apache-2.0
"""Logins of agents that the host holds, uses and renews, so that no guest has them.

The files are the agents' own. Claude Code 2.1.330 keeps `claudeAiOauth` with accessToken,
refreshToken and expiresAt (milliseconds); Codex 0.169.0 keeps `tokens` with access_token (a JWT,
RFC 7519), refresh_token and account_id, or OPENAI_API_KEY. Both renew by RFC 6749, section 6, with
JSON in place of a form, and replace the refresh token by each renewal.
"""

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from bbox_server.domain.secret import Secret

RENEW_BEFORE_S: Final = 300.0
"""An access token with less than this is renewed before it is used again; as both agents do."""

_MS: Final = 1000


class LoginForm(StrEnum):
    """Whose files they are."""

    CLAUDE = "claude"
    CODEX = "codex"


class LoginPlace(StrEnum):
    """Where the login lies, and is written back to.

    SAVED is bbox's own store, from a login inside a guest; HOME is the user's own home.
    """

    SAVED = "saved"
    HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginKind:
    """How one agent's logins work.

    Attributes:
        path: The file, relative to a home.
        token_variable: Of the host, with a token that lasts and is not renewed; or empty.
        upstream: Base URL at which the login is good.
        paths: What the guest may ask below that: models. Not the account, which makes keys.
        added: Headers that the provider wants with a login.
        endpoint: Where it is renewed.
        endpoint_variable: Host variable with another one, as the agent itself reads it.
        endpoint_path: What the variable leaves out.
        client_id: The agent's own; public, it identifies the program.
        command: How the user logs in.
    """

    path: PurePosixPath
    token_variable: str
    upstream: str
    paths: tuple[str, ...]
    added: tuple[tuple[str, str], ...] = ()
    endpoint: str
    endpoint_variable: str
    endpoint_path: str = ""
    client_id: str
    command: str


KINDS: Final[Mapping[LoginForm, LoginKind]] = {
    LoginForm.CLAUDE: LoginKind(
        path=PurePosixPath(".claude/.credentials.json"),
        token_variable="CLAUDE_CODE_OAUTH_TOKEN",  # noqa: S106 (a variable's name)
        upstream="https://api.anthropic.com",
        paths=("/v1/messages", "/v1/models"),
        added=(("anthropic-beta", "oauth-2025-04-20"),),
        endpoint="https://platform.claude.com/v1/oauth/token",
        endpoint_variable="CLAUDE_CODE_CUSTOM_OAUTH_URL",
        endpoint_path="/v1/oauth/token",
        client_id="9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        command="claude auth login",
    ),
    LoginForm.CODEX: LoginKind(
        path=PurePosixPath(".codex/auth.json"),
        token_variable="",
        upstream="https://chatgpt.com/backend-api/codex",
        paths=("/responses", "/models"),
        endpoint="https://auth.openai.com/oauth/token",
        endpoint_variable="CODEX_REFRESH_TOKEN_URL_OVERRIDE",
        client_id="app_EMoamEEZ73f0CkXaXp7hrann",
        command="codex login",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTokens:
    """What a login's file has.

    Attributes:
        refresh: None where it can't be renewed.
        expires_at_s: Since the epoch; None where it isn't told.
        account: Which of the user's accounts, where the provider wants to be told.
        is_key: It is an ordinary key of the provider's, that the agent keeps in this file.
    """

    access: Secret
    refresh: Secret | None = None
    expires_at_s: float | None = None
    account: str = ""
    is_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLogin:
    """One that a session uses. What renews it is not in here: only its file has that.

    Attributes:
        agent: Below whose name the store keeps it.
        endpoint: Where it is renewed.
        expires_at_s: Of the access token that the session begins with.
    """

    agent: str
    form: LoginForm
    place: LoginPlace
    endpoint: str
    expires_at_s: float | None = None

    @property
    def kind(self) -> LoginKind:
        """How it works."""
        return KINDS[self.form]

    @property
    def shown_place(self) -> str:
        """Where it lies, for the user."""
        if self.place is LoginPlace.HOME:
            return f"~/{self.kind.path}"
        return f"the saved login of {self.agent}"

    @property
    def remedy(self) -> str:
        """What helps when it is of no use any more."""
        if self.place is LoginPlace.HOME:
            return f"Run `{self.kind.command}` on this host; the session takes the new login up."
        return f"Run `bbox auth clear {self.agent}`, then start with --login to log in again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """An access token, as it may be used now."""

    access: Secret
    expires_at_s: float | None = field(default=None)

    def lasts(self, now_s: float, margin_s: float = RENEW_BEFORE_S) -> bool:
        """Whether it is good for that long; what tells no end is."""
        return self.expires_at_s is None or self.expires_at_s - now_s > margin_s


def read_tokens(form: LoginForm, content: bytes) -> LoginTokens | None:
    """What a login's file has; None for one that nothing can be used of."""
    try:
        document = json.loads(content)
        tokens = _READERS[form](document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return tokens if _is_header_value(tokens.access.value + tokens.account) else None


def renewal_request(form: LoginForm, refresh: Secret) -> dict[str, str]:
    """The body that asks for a renewal (RFC 6749, 6)."""
    return {
        "grant_type": "refresh_token",
        "refresh_token": refresh.value,
        "client_id": KINDS[form].client_id,
    }


def renewed_file(form: LoginForm, content: bytes, answer: bytes, now_s: float) -> bytes | None:
    """The file with what the endpoint answered; all else in it stays. None for no such answer."""
    try:
        document, granted = json.loads(content), json.loads(answer)
        _WRITERS[form](document, granted, now_s)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    renewed = json.dumps(document, indent=2).encode()
    tokens = read_tokens(form, renewed)
    return None if tokens is None or tokens.is_key else renewed


def fingerprint(access: Secret) -> str:
    """Names an access token without having it."""
    return hashlib.sha256(access.value.encode()).hexdigest()


def _claude_tokens(document: dict[str, Any]) -> LoginTokens:
    login = document["claudeAiOauth"]
    until = login.get("expiresAt")
    return LoginTokens(
        access=Secret(value=_text(login["accessToken"])),
        refresh=_refresh(login.get("refreshToken")),
        expires_at_s=until / _MS if _is_number(until) else None,
    )


def _codex_tokens(document: dict[str, Any]) -> LoginTokens:
    login = document.get("tokens")
    if not login:
        return LoginTokens(access=Secret(value=_text(document["OPENAI_API_KEY"])), is_key=True)
    access = _text(login["access_token"])
    return LoginTokens(
        access=Secret(value=access),
        refresh=_refresh(login.get("refresh_token")),
        expires_at_s=_jwt_end_s(access),
        account=login.get("account_id") or "",
    )


def _claude_renewed(document: dict[str, Any], granted: dict[str, Any], now_s: float) -> None:
    login = document["claudeAiOauth"]
    login["accessToken"] = _text(granted["access_token"])
    login["refreshToken"] = _text(granted.get("refresh_token") or login["refreshToken"])
    login["expiresAt"] = round((now_s + float(granted["expires_in"])) * _MS)


def _codex_renewed(document: dict[str, Any], granted: dict[str, Any], now_s: float) -> None:
    login = document["tokens"]
    login["access_token"] = _text(granted["access_token"])
    for name in ("refresh_token", "id_token"):
        if granted.get(name):
            login[name] = _text(granted[name])
    moment = datetime.fromtimestamp(now_s, UTC)
    document["last_refresh"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


_READERS: Final = {LoginForm.CLAUDE: _claude_tokens, LoginForm.CODEX: _codex_tokens}
_WRITERS: Final = {LoginForm.CLAUDE: _claude_renewed, LoginForm.CODEX: _codex_renewed}


def _refresh(value: object) -> Secret | None:
    return Secret(value=_text(value)) if value else None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_header_value(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _jwt_end_s(token: str) -> float | None:
    """The `exp` of a JWT, unverified: its issuer checks it, we only want to know when to ask."""
    try:
        payload = token.split(".")[1]
        until = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(until) if _is_number(until) else None
