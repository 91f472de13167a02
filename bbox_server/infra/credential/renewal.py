# SPDX-License-Identifier: Apache-2.0
"""Renews a login on the host: one session at a time, and the file has the new one first."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.held_login import (
    HeldLogin,
    Lasting,
    LoginTokens,
    fingerprint,
    read_tokens,
    renewal_request,
    renewed_file,
)
from bbox_server.domain.secret import Secret
from bbox_server.infra.credential.held_login_files import HeldLoginFiles
from bbox_server.infra.credential.token_endpoint import EndpointAnswer, ask_endpoint
from bbox_server.infra.process.printable import printable

# RFC 6749, 5.2: an endpoint that knows the token no more says 400, some say 401.
_FINAL: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED})
_SAID_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """How it went.

    Attributes:
        token: What to use now.
        warning: For the user, where it went half well.
        asked: What the endpoint answered, in order, for the audit; also where all failed.
    """

    token: Lasting | None = None
    failure: BboxError | None = None
    warning: str = ""
    asked: tuple[EndpointAnswer, ...] = ()


@dataclass(slots=True, kw_only=True)
class LoginRenewal:
    """Renews logins for one session.

    Attributes:
        environment: The caller's: whom to trust and how to get out.
    """

    files: HeldLoginFiles
    environment: Mapping[str, str] = field(repr=False)
    now: Callable[[], float] = time.time
    ask: Callable[[str, Mapping[str, str], Mapping[str, str]], EndpointAnswer] = ask_endpoint
    _dead: set[str] = field(default_factory=set, repr=False)

    def __call__(self, login: HeldLogin, stale: str) -> Renewed:
        """A token in the place of the one with this fingerprint. Blocks: for a thread.

        Whoever has renewed it meanwhile, another session or the agent on this host: what the file
        has counts, for the endpoint takes a refresh token once.
        """
        try:
            with self.files.renewing(login):
                return self._renew(login, stale)
        except OSError as error:
            return Renewed(failure=_unreachable(login, f"its lock: {error.strerror or error}"))

    def _renew(self, login: HeldLogin, stale: str) -> Renewed:
        content = self.files.read(login)
        tokens = read_tokens(login.form, content) if content is not None else None
        if content is None or tokens is None:
            return Renewed(failure=_expired(login, f"{login.shown_place} is gone"))
        there = _lasting(tokens)
        if fingerprint(there.access) != stale and there.lasts(self.now()):
            return Renewed(token=there)
        if tokens.refresh is None or fingerprint(tokens.refresh) in self._dead:
            return Renewed(failure=_expired(login, f"{login.shown_place} can't be renewed"))
        body = renewal_request(login.form, tokens.refresh)
        answer = self.ask(login.endpoint, body, self.environment)
        if answer.status != HTTPStatus.OK:
            return self._refused(login, tokens, answer)
        return self._take_over(login, content, answer)

    def _take_over(self, login: HeldLogin, content: bytes, answer: EndpointAnswer) -> Renewed:
        renewed = renewed_file(login.form, content, answer.body, self.now())
        tokens = read_tokens(login.form, renewed) if renewed is not None else None
        if renewed is None or tokens is None:
            failure = _unreachable(login, "the endpoint's answer has no token")
            return Renewed(failure=failure, asked=(answer,))
        try:
            self.files.replace(login, renewed)
        except OSError as error:
            why = error.strerror or error
            warning = (
                f"The renewed login can't be kept in {login.shown_place}: {why}. "
                f"It is good for this session alone. {login.remedy}"
            )
            return Renewed(token=_lasting(tokens), warning=warning, asked=(answer,))
        return Renewed(token=_lasting(tokens), asked=(answer,))

    def _refused(self, login: HeldLogin, tokens: LoginTokens, answer: EndpointAnswer) -> Renewed:
        if answer.status not in _FINAL or tokens.refresh is None:
            why = answer.reason or f"the endpoint answered {answer.status}"
            return Renewed(failure=_unreachable(login, why), asked=(answer,))
        # The agent on this host takes no lock of ours, and may have been quicker.
        content = self.files.read(login)
        now = read_tokens(login.form, content) if content is not None else None
        if now is not None and now.access != tokens.access and _lasting(now).lasts(self.now()):
            return Renewed(token=_lasting(now), asked=(answer,))
        self._dead.add(fingerprint(tokens.refresh))
        said = _said(answer.body, tokens.refresh)
        failure = _expired(login, f"the provider does not renew {login.shown_place}{said}")
        return Renewed(failure=failure, asked=(answer,))


def _lasting(tokens: LoginTokens) -> Lasting:
    return Lasting(access=tokens.access, expires_at_s=tokens.expires_at_s)


def _said(body: bytes, refresh: Secret) -> str:
    """What the endpoint gives for a reason (RFC 6749, 5.2, and OpenAI's own shape)."""
    try:
        error = json.loads(body)["error"]
        text = error if isinstance(error, str) else error.get("code") or error["message"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    shown = printable(str(text).replace(refresh.value, "***"), _SAID_CHARACTERS)
    return f" ({shown})"


def _expired(login: HeldLogin, cause: str) -> BboxError:
    return BboxError(
        ErrorCode.CREDENTIAL_LOGIN_EXPIRED, cause=f"{cause}.", remediation=login.remedy
    )


def _unreachable(login: HeldLogin, cause: str) -> BboxError:
    return BboxError(
        ErrorCode.CREDENTIAL_LOGIN_UNREACHABLE,
        cause=f"{login.shown_place} could not be renewed: {cause}.",
        remediation="It is tried again with the agent's next request; see that this host reaches "
        "the provider.",
    )
