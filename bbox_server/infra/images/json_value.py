# SPDX-License-Identifier: Apache-2.0
"""JSON of an image: hostile input, taken apart with its type checked at each step."""

import json
from dataclasses import dataclass
from typing import Final, Self

from bbox_server.domain.error import BboxError
from bbox_server.infra.images.faults import corrupt

_SIZE_LIMIT: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonObject:
    """An object of which every access says what it expects. A wrong type is image.corrupt.

    Attributes:
        where: The document, for messages.
    """

    members: dict[str, object]
    where: str

    @classmethod
    def parse(cls, document: bytes, *, where: str) -> Self:
        """Read a document whose top is an object."""
        try:
            value = json.loads(document)
        except (ValueError, RecursionError) as error:
            raise corrupt(f"The JSON of {where} can't be read.") from error
        if not isinstance(value, dict):
            raise corrupt(f"{where} is no JSON object.")
        return cls(members=value, where=where)

    def child(self, key: str) -> Self:
        """A member that must be an object."""
        value = self.optional_child(key)
        if value is None:
            raise self._wrong(key, "an object")
        return value

    def optional_child(self, key: str) -> Self | None:
        """A member that is an object, null or absent."""
        value = self.members.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return type(self)(members=value, where=f"{self.where}, {key}")

    def children(self, key: str) -> tuple[Self, ...]:
        """A list of objects; empty when it is null or absent."""
        where = f"{self.where}, {key}"
        found = []
        for value in self._list(key):
            if not isinstance(value, dict):
                raise self._wrong(key, "a list of objects")
            found.append(type(self)(members=value, where=where))
        return tuple(found)

    def text(self, key: str) -> str:
        """A string; empty when it is null or absent."""
        value = self.members.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def size(self, key: str) -> int:
        """A number of bytes that must be there."""
        value = self.members.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _SIZE_LIMIT:
            raise self._wrong(key, "a size")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty when it is null or absent."""
        found = []
        for value in self._list(key):
            if not isinstance(value, str):
                raise self._wrong(key, "a list of strings")
            found.append(value)
        return tuple(found)

    def _list(self, key: str) -> list[object]:
        value = self.members.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def _wrong(self, key: str, expected: str) -> BboxError:
        return corrupt(f"In {self.where}, {key!r} is not {expected}.")
