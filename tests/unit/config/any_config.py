# SPDX-License-Identifier: Apache-2.0
"""Any config at all: a strategy that is made from the sections' own types, so none is missed."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from hypothesis import strategies as st

from bbox_server.domain.config.mcp_section import McpAggregation
from bbox_server.domain.config.sections import Config
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.hostservice import HostService

HOSTS: Final = st.sampled_from(
    [
        HostRule(name="a.example.com"),
        HostRule(name="a.example.com", ports=(443,)),
        HostRule(name="*.example.com"),
        HostRule(name="*.a.example.com", ports=(22,)),
        HostRule(name="b.example.org", ports=(443, 80)),
    ]
)
SERVICES: Final = st.sampled_from(
    [HostService(name="tickets", port=8080), HostService(name="wiki", port=8081)]
)
TEXTS: Final = st.sampled_from(["A", "A*", "AB", "OPENAI_API_KEY", "CODEX_*", "x/y", "!x", "img"])
NUMBERS: Final = st.sampled_from([1, 2, 3, 512, 2048, 4096, 8192, 500_000])
# Taken or refused whole: what is in them does not matter to a merge.
RARE: Final = frozenset({McpAggregation})
AGENT_NAMES: Final = st.sampled_from(["codex", "gemini", "mine", "other"])


def any_config() -> st.SearchStrategy[Config]:
    return _section(Config)


def _section(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    fields = {each.name: _of(hints[each.name]) for each in dataclasses.fields(kind)}
    if "agents" in fields:
        _, section = typing.get_args(hints["agents"])
        fields["agents"] = st.dictionaries(AGENT_NAMES, _section(section), max_size=2)
    return st.builds(kind, **fields)


def _of(hint: object) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return st.one_of(st.none(), *(_of(one) for one in arguments if one is not type(None)))
    if origin is tuple:
        return st.lists(_of(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=2)
    plain = getattr(hint, "__supertype__", hint)
    assert isinstance(plain, type)
    return _plain(plain)


def _plain(kind: type[Any]) -> st.SearchStrategy[Any]:
    known = {
        HostRule: HOSTS,
        HostService: SERVICES,
        bool: st.booleans(),
        int: NUMBERS,
        float: NUMBERS,
        str: TEXTS,
        object: TEXTS,
    }
    if kind in known:
        return known[kind]
    if kind in RARE:
        return st.just(kind())
    return st.sampled_from(kind) if issubclass(kind, StrEnum) else _section(kind)
