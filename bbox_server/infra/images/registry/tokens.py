# SPDX-License-Identifier: Apache-2.0
"""Who we are to a registry: anonymous, a token's bearer, or a user (distribution's token.md)."""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from bbox_server.domain.error import BboxError
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.registry.challenge import Challenge, parse_challenges
from bbox_server.infra.images.registry.faults import failed
from bbox_server.infra.images.registry.logins import Login, Logins
from bbox_server.infra.images.registry.transport import Request, Transport, check, read_document

_TOKEN_LIMIT_BYTES: Final = 256 * 1024
_CLIENT: Final = "bbox"


@dataclass(slots=True, kw_only=True)
class Authorization:
    """The header for one repository of one endpoint; asked for when the registry wants one."""

    transport: Transport
    logins: Logins
    _header: str = field(default="", repr=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def header(self) -> str:
        """Empty as long as none was needed."""
        return self._header

    async def renew(self, refused: str, offers: Iterable[str]) -> bool:
        """Find a header that is not the one refused; whether there is one.

        Args:
            refused: The header that the answer with the offers was for.
            offers: Its WWW-Authenticate headers.

        Raises:
            BboxError: image.login-failed, image.registry-denied, image.registry-failed.
            TryAgainError: the token server does not answer.
        """
        async with self._lock:
            if self._header != refused:
                # Another download had the same answer, and was faster.
                return True
            self._header = await self._find(parse_challenges(offers))
            return bool(self._header) and self._header != refused

    async def _find(self, challenges: tuple[Challenge, ...]) -> str:
        endpoint = self.transport.endpoint
        by_scheme = {challenge.scheme: challenge for challenge in challenges}
        login = await self.logins.find(endpoint.name, endpoint.repository)
        if "bearer" in by_scheme:
            return f"Bearer {await self._token(by_scheme['bearer'], login)}"
        if "basic" in by_scheme and login is not None:
            return _basic(login)
        return ""

    async def _token(self, challenge: Challenge, login: Login | None) -> str:
        endpoint = self.transport.endpoint
        request = _token_request(challenge, login, self._realm(challenge), endpoint.repository)
        async with self.transport.ask(request) as response:
            check(response, endpoint.name, endpoint.repository)
            bad = failed(endpoint.host, "its token server gives no token")
            body = await read_document(response, _TOKEN_LIMIT_BYTES, bad)
        try:
            document = JsonObject.parse(body, where="a token")
            token = document.text("token") or document.text("access_token")
        except BboxError as error:
            raise bad from error
        # It becomes a header: RFC 6750, 2.1 has no other characters.
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise bad
        return token

    def _realm(self, challenge: Challenge) -> URL:
        host = self.transport.endpoint.host
        try:
            realm = URL(challenge.parameters.get("realm", ""))
        except ValueError as error:
            raise failed(host, "its token server has no URL") from error
        self.transport.admit(realm)
        return realm


def _token_request(
    challenge: Challenge, login: Login | None, realm: URL, repository: str
) -> Request:
    wanted = {
        "service": challenge.parameters.get("service", ""),
        "scope": challenge.parameters.get("scope") or f"repository:{repository}:pull",
    }
    parameters: Mapping[str, str] = {key: value for key, value in wanted.items() if value}
    if login is not None and login.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": login.identity_token,
            "client_id": _CLIENT,
        }
        return Request(url=realm, form={**parameters, **form})
    headers = {"Authorization": _basic(login)} if login is not None else {}
    return Request(url=realm.update_query(parameters), headers=headers)


def _basic(login: Login) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
