# SPDX-License-Identifier: Apache-2.0
"""What of the guest's HTTP request crosses the credential proxy, and what of the answer returns.

The guest must not choose who is asked, as whom, or by which way: a request keeps its method, its
path below the provider's base URL, its body and the headers that speak about the body.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from bbox_server.domain.credential import BEARER, KeyHeader, ServedRoute
from bbox_server.domain.secret import Secret

Headers = Sequence[tuple[str, str]]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

TARGET_LIMIT: Final = 8000
"""Characters of a request target (RFC 9110, 4.1: at least 8000 should be supported)."""

# RFC 9110, 7.6.1 and the older names that intermediaries still honour.
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_DROPPED_REQUEST: Final = _HOP_BY_HOP | {
    "accept-encoding",  # identity is asked for, so that an echoed key can be found in the body
    "chatgpt-account-id",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "openai-organization",
    "openai-project",
    "origin",
    "referer",
    "via",
    "x-goog-user-project",
}
# Any header that could identify somebody: a list of the known ones would miss the next provider's.
_IDENTIFIES: Final = re.compile(
    r"auth|cookie|token|secret|credential|signature|session-key|password"
    r"|(?:^|-)(?:api|access)-?key(?:-|$)|^(?:x-forwarded|x-real|x-amz|x-original|proxy|cf|sec)-"
)
_DROPPED_RESPONSE: Final = _HOP_BY_HOP | {
    "alt-svc",
    "set-cookie",
    "set-cookie2",
    "proxy-authenticate",
}
# The whole name: `pageToken` and `max_tokens` are no keys. Google reads headers from `$http…`.
_KEY_PARAMETER: Final = re.compile(
    r"(?:x[-_])?(?:goog[-_])?(?:(?:api|access|auth|oauth|bearer|id)[-_]?)?(?:key|token)"
    r"|(?:proxy[-_])?auth(?:orization)?|(?:client[-_])?secret|signature|password|\$http.*"
)

_LEAVES_SEGMENT: Final = frozenset({*range(0x20), *b"/\\\x7f"})

_KEY_HEADERS: Final = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


# RFC 9110, 5.6.2: a token.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_NO_KEY_HEADER: Final = re.compile(r"host|content-.*|accept.*|user-agent|cookie|date|range|if-.*")


def is_key_header(name: str) -> bool:
    """Whether a header may carry a key: one that says nothing of the message or of the hop."""
    lower = name.lower()
    is_taken = lower in _HOP_BY_HOP or lower == "expect" or _NO_KEY_HEADER.fullmatch(lower)
    return bool(_HEADER_NAME.fullmatch(name)) and not is_taken


def holds_placeholder(
    headers: Iterable[tuple[str, str]], placeholder: str, served: Iterable[ServedRoute] = ()
) -> bool:
    """Whether the guest authenticated with its run's placeholder, in any of the usual headers.

    A provider of the user's own may have another header; it is taken from there as well.
    """
    own = {one.route.credential.header.name.lower(): one.route.credential.header for one in served}
    expected = placeholder.encode()
    found = False
    for name, value in headers:
        if name.lower() not in {*_KEY_HEADERS, *own}:
            continue
        prefix = own[name.lower()].prefix if name.lower() in own else ""
        presented = value[len(BEARER.prefix) :] if _is_bearer(value) else value.removeprefix(prefix)
        # All are compared, in full: the time tells nothing about where a guess went wrong.
        found |= hmac.compare_digest(presented.encode(errors="surrogateescape"), expected)
    return found


def _is_bearer(value: str) -> bool:
    return value[: len(BEARER.prefix)].lower() == BEARER.prefix.lower()


def request_headers(headers: Headers, served: ServedRoute) -> list[tuple[str, str]]:
    """The headers for the provider: what describes the request, and the host's key."""
    header: KeyHeader = served.route.credential.header
    dropped = _DROPPED_REQUEST | _nominated(headers) | {header.name.lower()}
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped and not _IDENTIFIES.search(name.lower())
    ]
    return [
        *_with_added(kept, served.added),
        ("Accept-Encoding", "identity"),
        (header.name, header.prefix + served.key.value),
    ]


def _with_added(headers: Headers, added: Headers) -> list[tuple[str, str]]:
    """The guest's headers and ours; of one name they are a list, in one line (RFC 9110, 5.3)."""
    ours = {name.lower() for name, _ in added}
    theirs = [(name, value) for name, value in headers if name.lower() not in ours]
    joined = [
        (name, ",".join([*(v for n, v in headers if n.lower() == name.lower()), value]))
        for name, value in added
    ]
    return [*theirs, *joined]


def response_headers(headers: Headers, served: ServedRoute) -> list[tuple[str, str]]:
    """The headers for the guest, without the key should the provider echo it."""
    dropped = _DROPPED_RESPONSE | _nominated(headers)
    mask = "*" * len(served.key.value)
    return [
        (name, value.replace(served.key.value, mask))
        for name, value in headers
        if name.lower() not in dropped and served.key.value not in name
    ]


def _nominated(headers: Headers) -> frozenset[str]:
    """What `Connection` names as meant for the next hop only."""
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for token in value.split(",")
    ) - {"content-length", "content-type", "content-encoding"}


def find_route(target: str, routes: Iterable[ServedRoute]) -> ServedRoute | None:
    """The route whose mount the target's path lies below."""
    path = target.partition("?")[0]
    for served in routes:
        if path == served.route.mount or path.startswith(served.route.mount + "/"):
            return served
    return None


def upstream_url(target: str, served: ServedRoute) -> str | None:
    """The URL to ask, or None if the target could leave the provider's base URL.

    Args:
        target: As on the request line, undecoded.
        served: The route that `find_route` gave for it.
    """
    path, question, query = target.partition("?")
    rest = path[len(served.route.mount) :]
    if len(target) > TARGET_LIMIT or not _is_plain(target) or not _stays_below(rest):
        return None
    kept = "&".join(part for part in query.split("&") if not _names_key(part))
    return served.route.upstream + rest + (question + kept if kept else "")


def may_ask(target: str, served: ServedRoute) -> bool:
    """Whether a target lies at or below one of the paths that the guest may ask.

    Compared as it is written: a path in other clothes is none of them.
    """
    rest = target.partition("?")[0][len(served.route.mount) :]
    paths = served.paths
    return not paths or any(rest == path or rest.startswith(path + "/") for path in paths)


def _is_plain(target: str) -> bool:
    return target.isascii() and target.isprintable() and not set(target) & set(' \\#"<>')


def _stays_below(rest: str) -> bool:
    if rest in {"", "/"}:
        return True
    segments = rest.removesuffix("/").split("/")[1:]
    return all(_is_name(segment) for segment in segments)


def _is_name(segment: str) -> bool:
    # A server behind the provider's edge may decode once more than we do.
    decoded = segment.encode()
    for _ in range(3):
        decoded = unquote_to_bytes(decoded)
    if not decoded or decoded.split(b";")[0].strip() in {b"", b".", b".."}:
        return False
    return not _LEAVES_SEGMENT & set(decoded)


def _names_key(parameter: str) -> bool:
    name = unquote_to_bytes(parameter.partition("=")[0]).decode(errors="replace").lower()
    return _KEY_PARAMETER.fullmatch(name) is not None


def audit_path(target: str) -> str:
    """A target for the log: names of query parameters without values, printable, bounded."""
    path, question, query = target.partition("?")
    names = "&".join(part.partition("=")[0] for part in query.split("&"))
    text = path + question + names
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return shown if len(shown) <= _AUDIT_LIMIT else shown[: _AUDIT_LIMIT - 1] + "…"


_AUDIT_LIMIT: Final = 300


class BodyScrubber:
    """Masks the key in a body that passes in pieces; lengths stay, only a possible start waits."""

    def __init__(self, key: Secret) -> None:
        self._key = key.value.encode()
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be passed on now."""
        data = (self._held + chunk).replace(self._key, b"*" * len(self._key))
        held = self._start_of_key(data)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def finish(self) -> bytes:
        """The rest, at the end of the body."""
        rest, self._held = self._held, b""
        return rest

    def _start_of_key(self, data: bytes) -> int:
        longest = min(len(self._key) - 1, len(data))
        ends = (size for size in range(longest, 0, -1) if data.endswith(self._key[:size]))
        return next(ends, 0)
