# SPDX-License-Identifier: Apache-2.0
"""One request to the place where a login is renewed."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from typing_extensions import override

from bbox_server.infra.credential.trust import client_context, outer_proxy

ASK_S: Final = 20.0
ANSWER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAnswer:
    """What came back.

    Attributes:
        status: 0 where nothing did; `reason` then says why.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    reason: str = ""
    sent_bytes: int = 0
    elapsed_ms: int = 0


class _NoRedirects(HTTPRedirectHandler):
    """What renews a login goes to its endpoint and nowhere else."""

    @override
    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        return None


def ask_endpoint(
    url: str, content: Mapping[str, str], environment: Mapping[str, str]
) -> EndpointAnswer:
    """POST JSON, as the user's own programs would get there. Blocks: for a thread.

    Synchronous on purpose: a session that ends cancels its tasks, and an answer with a new
    refresh token that nobody takes is a login lost. A thread is waited for.
    """
    started = time.monotonic()
    body = json.dumps(content).encode()
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "bbox-server",
    }
    request = Request(url, body, headers, method="POST")  # noqa: S310 (checked_upstream did)
    status, answer, reason = _ask(request, environment)
    return EndpointAnswer(
        status=status,
        body=answer,
        reason=reason,
        sent_bytes=len(body),
        elapsed_ms=round((time.monotonic() - started) * 1000),
    )


def _ask(request: Request, environment: Mapping[str, str]) -> tuple[int, bytes, str]:
    proxy = outer_proxy(request.full_url, environment)
    scheme = urlsplit(request.full_url).scheme
    opener = build_opener(
        ProxyHandler({scheme: proxy} if proxy else {}),
        HTTPSHandler(context=client_context(environment)),
        _NoRedirects(),
    )
    try:
        with opener.open(request, timeout=ASK_S) as response:
            return response.status, response.read(ANSWER_BYTES), ""
    except HTTPError as error:
        with error:
            return error.code, _rest(error), ""
    except URLError as error:
        return 0, b"", str(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return 0, b"", str(error) or type(error).__name__


def _rest(error: HTTPError) -> bytes:
    try:
        return error.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        return b""
