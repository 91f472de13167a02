# SPDX-License-Identifier: Apache-2.0
"""Ordered patterns, applied as git does: in each directory the last match decides."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.excludes import Hidden, HideTier, PatternLine
from bbox_server.infra.excludes.wildmatch import IgnorePattern, as_bytes, compile_line

PATTERN_LIMIT: Final = 10_000
"""More lines than that are no ignore file that somebody wrote."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern in its list.

    Attributes:
        hidden: What it says of what it matches; None for "not hidden".
    """

    index: int
    pattern: IgnorePattern
    hidden: Hidden | None

    def matches(self, text: str, *, is_directory: bool) -> bool:
        """Whether the pattern is one of an entry."""
        pattern = self.pattern
        if pattern.directory_only and not is_directory:
            return False
        return pattern.expression.fullmatch(text) is not None


class Ruleset:
    """The rules of one list of patterns, as they apply in one directory."""

    __slots__ = ("_anchored", "_any_name", "_by_name", "_literals", "_path")

    def __init__(self, patterns: Sequence[tuple[HideTier, PatternLine]]) -> None:
        rules = _rules(patterns)
        self._path = ""
        self._anchored = tuple(rule for rule in reversed(rules) if rule.pattern.anchored)
        self._by_name = tuple(rule for rule in reversed(rules) if not rule.pattern.anchored)
        # Most names match no pattern: one look-up and one expression say so for all of them.
        names = [rule.pattern for rule in self._by_name]
        self._literals = frozenset(name.literal for name in names if name.literal is not None)
        globs = [name.expression.pattern for name in names if name.literal is None]
        self._any_name = re.compile("|".join(globs), re.DOTALL) if globs else None

    def below(self, name: str) -> "Ruleset":
        """The rules that may match in a directory of this one."""
        key = as_bytes(name)
        inner = object.__new__(Ruleset)
        inner._path = f"{self._path}{key}/"
        inner._anchored = self._anchored if self._path else _reaching(self._anchored, key)
        inner._by_name = self._by_name
        inner._literals = self._literals
        inner._any_name = self._any_name
        return inner

    def hidden(self, name: str, *, is_directory: bool) -> Hidden | None:
        """What hides an entry, if the last pattern that matches it does."""
        decision = self.decide(name, is_directory=is_directory)
        return None if decision is None else decision.hidden

    def decide(self, name: str, *, is_directory: bool) -> "Rule | None":
        """The last pattern that matches an entry, whether it hides or shows it."""
        key = as_bytes(name)
        best = self._last_by_name(key, is_directory=is_directory)
        for rule in self._anchored:
            if best is not None and rule.index < best.index:
                break
            if rule.matches(self._path + key, is_directory=is_directory):
                best = rule
                break
        return best

    def _last_by_name(self, key: str, *, is_directory: bool) -> Rule | None:
        if key not in self._literals and (
            self._any_name is None or self._any_name.fullmatch(key) is None
        ):
            return None
        return next(
            (rule for rule in self._by_name if rule.matches(key, is_directory=is_directory)), None
        )


def _rules(patterns: Sequence[tuple[HideTier, PatternLine]]) -> list[Rule]:
    rules: list[Rule] = []
    for tier, line in patterns:
        pattern = compile_line(line.text)
        if pattern is not None:
            says = Hidden(tier=tier, pattern=line.text, source=line.source, number=line.number)
            rules.append(Rule(len(rules), pattern, None if pattern.negated else says))
    return rules


def _reaching(rules: tuple[Rule, ...], name: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.pattern.first in (None, name))
