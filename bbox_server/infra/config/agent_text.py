# SPDX-License-Identifier: Apache-2.0
"""An agent's entry in the text of a config: the rest of the text is not touched."""

import re
from typing import Any, Final

import yaml

AGENTS: Final = "agents"
INDENT: Final = 2
_TRAILING: Final = re.compile(r"(?:\n[ \t]*(?:#[^\n]*)?)+\Z")


class NoPlaceError(ValueError):
    """The text has no place for an entry."""


def with_agent(text: str, name: str, entry: object) -> str:
    """The text of a config with one more agent, or another entry for one.

    Raises:
        NoPlaceError: It is written in a way that can't be added to.
        yaml.YAMLError: The text is no YAML.
    """
    before = yaml.safe_load(text) or {}
    if not isinstance(before, dict) or not isinstance(before.get(AGENTS) or {}, dict):
        raise NoPlaceError
    changed = _inserted(_without(text, name), name, entry)
    wanted = {**before, AGENTS: {**(before.get(AGENTS) or {}), name: entry}}
    # Whatever the text looked like: nothing else has changed, or nothing is written.
    if yaml.safe_load(changed) != wanted:
        raise NoPlaceError
    return changed


def entry_text(name: str, entry: object, indent: int) -> str:
    """An entry as lines."""
    block = yaml.safe_dump({name: entry}, sort_keys=False, allow_unicode=True, width=96)
    return "".join(f"{' ' * indent}{line}\n" for line in block.splitlines())


def _inserted(text: str, name: str, entry: object) -> str:
    agents = _pair(yaml.compose(text, yaml.SafeLoader), AGENTS)
    if agents is None:
        body = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{body}{AGENTS}:\n{entry_text(name, entry, INDENT)}"
    key, value = agents
    if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
        start = value.start_mark
        line = start.index - start.column
        return text[:line] + entry_text(name, entry, start.column) + text[line:]
    if not _is_empty(value):
        raise NoPlaceError
    # `agents:` with nothing below it.
    end = text.find("\n", key.end_mark.index)
    rest = "" if end < 0 else text[end + 1 :]
    return f"{text[: key.start_mark.index]}{AGENTS}:\n{entry_text(name, entry, INDENT)}{rest}"


def _without(text: str, name: str) -> str:
    """Without the entry that there is, and the comments in it."""
    agents = _pair(yaml.compose(text, yaml.SafeLoader), AGENTS)
    found = _pair(agents[1], name) if agents else None
    if agents is None or found is None:
        return text
    mapping: Any = agents[1]
    if mapping.flow_style:
        raise NoPlaceError
    key, value = found
    begin = key.start_mark.index - key.start_mark.column
    # A block ends where the next thing begins: what is between is not its own.
    own = _TRAILING.sub("", text[begin : value.end_mark.index])
    end = text.find("\n", begin + len(own) - 1)
    return text[:begin] + ("" if end < 0 else text[end + 1 :])


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _is_empty(node: yaml.Node) -> bool:
    if isinstance(node, yaml.MappingNode):
        return node.flow_style is True and not node.value
    return isinstance(node, yaml.ScalarNode) and not node.value
