# SPDX-License-Identifier: Apache-2.0
"""A config as a list of its keys: to show it, to compare it, to say what has no effect."""

import dataclasses
from collections.abc import Iterator, Mapping

from bbox_server.domain.bytesize import format_mib
from bbox_server.domain.config.problem import KeyPath
from bbox_server.domain.config.sections import Config
from bbox_server.domain.egress.rule import HostRule

Leaf = bool | int | float | str | HostRule | tuple[()]
SIZES = frozenset({"memory", "tmp_size", "data"})


def listed(config: Config) -> Iterator[tuple[KeyPath, Leaf]]:
    """Every value that is set, in the order of the file's keys."""
    return _listed((), config)


def _listed(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, Leaf]]:
    match value:
        case None:
            return
        case HostRule() | bool() | int() | float() | str():
            yield path, value
        case Mapping():
            for name, one in value.items():
                yield from _listed((*path, str(name)), one)
        case tuple() | list() if value:
            for number, one in enumerate(value):
                yield from _listed((*path, number), one)
        case tuple() | list():
            yield path, ()
        case _:
            yield from _fields(path, value)


def _fields(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, Leaf]]:
    assert dataclasses.is_dataclass(value)  # noqa: S101 (sections have nothing else in them)
    for each in dataclasses.fields(value):
        yield from _listed((*path, each.name), getattr(value, each.name))


def leaf_text(path: KeyPath, leaf: object) -> str:
    """A value as it could stand in the file."""
    match leaf:
        case bool():
            return str(leaf).lower()
        case int() if path and path[-1] in SIZES:
            return format_mib(leaf)
        case float():
            return f"{leaf:g}s"
        case ():
            return "[]"
        case _:
            return str(leaf)
