# SPDX-License-Identifier: Apache-2.0
"""A YAML file, taken apart strictly: what is not expected is an error that names its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import yaml

from bbox_server.domain.error import BboxError, ErrorCode

# Ten times faster, where PyYAML was built with libyaml: every start of bbox reads all agents.
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A mapping of a file.

    Attributes:
        place: File and keys, for messages.
    """

    members: Mapping[str, object]
    place: str

    @classmethod
    def parse(cls, content: bytes, *, place: str) -> Self:
        """Read a file whose top is a mapping. Raises: agent.invalid."""
        try:
            value = yaml.load(content, Loader=_LOADER)  # noqa: S506 (both are safe loaders)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            where = f" {mark}".rstrip() if (mark := getattr(error, "problem_mark", None)) else ""
            raise invalid(f"{place} is no YAML{where}.") from error
        return cls._of(value, place)

    @classmethod
    def _of(cls, value: object, place: str) -> Self:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise invalid(f"{place} is no mapping of names.")
        return cls(members=value, place=place)

    def only(self, *keys: str) -> Self:
        """Itself, when it has no other keys."""
        unknown = sorted(self.members.keys() - set(keys))
        if unknown:
            raise invalid(f"{self.place} has unknown keys: {', '.join(unknown)}.")
        return self

    def text(self, key: str) -> str:
        """A string that must be there and not be empty."""
        value = self.members.get(key)
        if not isinstance(value, str) or not value or "\0" in value:
            raise invalid(f"{self.place}: {key} must be a text.")
        return value

    def number(self, key: str, default: int, highest: int) -> int:
        """A whole number from 0 on."""
        value = self.members.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
            raise invalid(f"{self.place}: {key} must be a number from 0 to {highest}.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty when it is absent."""
        texts = []
        for value in self._list(key):
            if not isinstance(value, str) or not value or "\0" in value:
                raise invalid(f"{self.place}: {key} must be a list of texts.")
            texts.append(value)
        return tuple(texts)

    def child(self, key: str) -> Self:
        """A mapping; empty when it is absent."""
        return self._of(self.members.get(key, {}), f"{self.place}: {key}")

    def children(self, key: str) -> tuple[Self, ...]:
        """A list of mappings; empty when it is absent."""
        return tuple(self._of(value, f"{self.place}: {key}") for value in self._list(key))

    def all_texts(self) -> dict[str, str]:
        """Itself, when every value is a string."""
        return {key: self.text(key) for key in self.members}

    def _list(self, key: str) -> list[object]:
        value = self.members.get(key, [])
        if not isinstance(value, list):
            raise invalid(f"{self.place}: {key} must be a list.")
        return value


def invalid(cause: str) -> BboxError:
    """agent.invalid."""
    return BboxError(
        ErrorCode.AGENT_INVALID, cause=cause, remediation="Correct the agent's definition."
    )
