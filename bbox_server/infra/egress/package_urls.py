# SPDX-License-Identifier: Apache-2.0
"""Addresses of package registries in the words of their clients; no registry is named here."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from bbox_server.domain.egress.rule import HostRule, host_rule
from bbox_server.domain.error import BboxError

_URL: Final = re.compile(r"https?://[^\s'\"\\,|]+")
_PIP_KEY: Final = re.compile(r"[\w:.-]*(?:index-url|find-links)=")
_APT_LINE: Final = re.compile(r"\s*(?:URIs:|deb(?:-src)?\s)")
_CARGO_INDEX: Final = re.compile(rb"sparse\+(https://[A-Za-z0-9.-]+/)")
_HTTPS_PORTS: Final = {"https": (443,), "http": (80, 443)}
_VENDOR_LABELS: Final = 2


def pip_urls(listing: str) -> tuple[str, ...]:
    """From `pip config list`: `global.index-url='…'`, several in one value divided by blanks."""
    lines = (line for line in listing.splitlines() if _PIP_KEY.match(line))
    return tuple(url for line in lines for url in _URL.findall(line.replace("\\n", " ")))


def npm_urls(listing: str) -> tuple[str, ...]:
    """From `npm config list --json`: the registry, and those of scopes."""
    try:
        values = json.loads(listing)
    except ValueError:
        return ()
    items = values.items() if isinstance(values, dict) else ()
    return tuple(
        value
        for key, value in items
        if isinstance(value, str) and (key == "registry" or key.endswith(":registry"))
    )


def go_urls(values: str) -> tuple[str, ...]:
    """From `go env GOPROXY GOSUMDB`: a list with words in it, and a host or `NAME KEY URL`."""
    proxies, _, database = values.strip().partition("\n")
    words = database.split()
    sums = words[-1] if words and words[0] != "off" else ""
    found = _URL.findall(proxies)
    if sums:
        found.append(sums if "://" in sums else f"https://{sums.partition('+')[0]}")
    return tuple(found)


def cargo_urls(config: str) -> tuple[str, ...]:
    """From cargo's config.toml: `registry` of sources and `index` of registries."""
    try:
        values = tomllib.loads(config)
    except tomllib.TOMLDecodeError:
        return ()
    tables = (*_tables(values.get("source")), *_tables(values.get("registries")))
    texts = (str(table.get(key, "")) for table in tables for key in ("registry", "index"))
    return tuple(text.removeprefix("sparse+") for text in texts if text)


def uv_urls(config: str) -> tuple[str, ...]:
    """From uv's uv.toml: `index-url` and `[[index]]`."""
    try:
        values = tomllib.loads(config)
    except tomllib.TOMLDecodeError:
        return ()
    entries = values.get("index")
    indexes = entries if isinstance(entries, list) else []
    urls = [entry.get("url") for entry in indexes if isinstance(entry, dict)]
    urls += [values.get("index-url"), values.get("default-index")]
    return tuple(url for url in urls if isinstance(url, str))


def cargo_default_url(program: bytes) -> str:
    """The index that is compiled into cargo; empty where none is found."""
    found = _CARGO_INDEX.search(program)
    return found[1].decode("ascii") if found else ""


def apt_urls(sources: str) -> tuple[str, ...]:
    """From apt's sources, one-line or deb822 (sources.list(5)); comments aside."""
    lines = (line for line in sources.splitlines() if _APT_LINE.match(line))
    return tuple(url for line in lines for url in _URL.findall(line))


def configured(urls: Iterable[str]) -> tuple[HostRule, ...]:
    """Rules for what a user wrote into a client's configuration.

    It may well be in the local network: that is what private registries are.
    """
    return tuple(dict.fromkeys(_rules(urls, allow_private=True)))


def default(urls: Iterable[str]) -> tuple[HostRule, ...]:
    """Rules for what a client uses by itself: the hosts, and the rest of their vendors' domains."""
    exact = tuple(_rules(urls, allow_private=False))
    vendors = (_vendor(rule) for rule in exact)
    return tuple(dict.fromkeys((*exact, *(rule for rules in vendors for rule in rules))))


def combined(built_in: tuple[HostRule, ...], chosen: tuple[HostRule, ...]) -> tuple[HostRule, ...]:
    """Both, where a client that names its default again doesn't make that one private."""
    known = {(rule.name, rule.ports) for rule in built_in}
    return (*built_in, *(rule for rule in chosen if (rule.name, rule.ports) not in known))


def _rules(urls: Iterable[str], *, allow_private: bool) -> Iterator[HostRule]:
    for url in urls:
        try:
            parts = urlsplit(url)
            ports = (parts.port,) if parts.port else _HTTPS_PORTS.get(parts.scheme, ())
            if parts.hostname and ports:
                # Name and port alone: a URL may carry a password.
                yield host_rule(parts.hostname, ports, allow_private=allow_private)
        except (ValueError, BboxError):
            continue


def _vendor(rule: HostRule) -> tuple[HostRule, ...]:
    labels = rule.name.split(".")
    domain = ".".join(labels[1:] if len(labels) > _VENDOR_LABELS else labels)
    if "." not in domain:
        return ()
    return (HostRule(name=domain, ports=rule.ports), HostRule(name=f"*.{domain}", ports=rule.ports))


def _tables(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield from (table for table in value.values() if isinstance(table, dict))
