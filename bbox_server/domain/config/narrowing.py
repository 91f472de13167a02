# SPDX-License-Identifier: Apache-2.0
"""The ways in which a workspace's value meets the user's; none of them widens unasked (P-25)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.config.listing import leaf_text
from bbox_server.domain.config.problem import Finding, FindingKind, KeyPath, Origin

_T = TypeVar("_T")

CANNOT: Final = "a workspace can't set this; it is ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """One merge: who says what, and what came of it.

    Attributes:
        trusted: The user has seen what this very file widens, and lets it.
    """

    mine: ConfigLayer
    theirs: ConfigLayer
    trusted: bool
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def refused(self, path: KeyPath, mine: _T, theirs: _T) -> _T:
        """The user's; a workspace has no say."""
        if theirs is not None and theirs != mine:
            self.find(FindingKind.IGNORED, path, CANNOT)
        return self.kept(path, mine)

    def ordered(
        self,
        path: KeyPath,
        pair: tuple[_T | None, _T | None],
        *,
        base: _T,
        width: Callable[[_T], float],
    ) -> _T | None:
        """The workspace's where it is not wider than what holds without it.

        Args:
            path: The value's.
            pair: The user's and the workspace's.
            base: What holds where the user says nothing.
            width: How much a value lets through.
        """
        mine, theirs = pair
        held = base if mine is None else mine
        if theirs is None:
            return self.kept(path, mine)
        if width(theirs) < width(held):
            return self.taken(FindingKind.TIGHTENED, path, theirs, leaf_text(path, theirs))
        if theirs == held:
            return self.taken(None, path, theirs, "")
        text = f"{leaf_text(path, theirs)} instead of {leaf_text(path, held)}"
        return self.asked(path, pair, text)

    def asked(self, path: KeyPath, pair: tuple[_T | None, _T | None], text: str) -> _T | None:
        """The workspace's where its file is trusted."""
        mine, theirs = pair
        if self.trusted:
            return self.taken(FindingKind.WIDENED, path, theirs, text)
        self.find(FindingKind.WIDENS, path, text)
        return self.kept(path, mine)

    def appended(
        self,
        path: KeyPath,
        pair: tuple[tuple[_T, ...] | None, tuple[_T, ...] | None],
        *,
        widens: Callable[[_T], bool],
        adds: str,
        tightens: bool,
    ) -> tuple[_T, ...] | None:
        """The user's list, and of the workspace's what does not widen (or is trusted).

        Args:
            path: The list's.
            pair: The user's and the workspace's.
            widens: Whether an item has to be asked for.
            adds: What an item does, for messages.
            tightens: Whether one that need not be asked for makes a difference.
        """
        mine, theirs = pair
        if theirs is None:
            return self._listed(path, mine)
        merged = list(mine or ())
        self._listed(path, mine)
        for number, item in enumerate(theirs):
            place = (*path, number)
            if item in merged:
                continue
            if widens(item):
                kind = FindingKind.WIDENED if self.trusted else FindingKind.WIDENS
                self.find(kind, place, f"{adds} {item}")
                if not self.trusted:
                    continue
            elif tightens:
                self.find(FindingKind.TIGHTENED, place, f"{adds} {item}")
            self.origins[*path, len(merged)] = self.theirs.origin(place)
            merged.append(item)
        return tuple(merged) if merged or mine is not None else None

    def kept(self, path: KeyPath, mine: _T) -> _T:
        """The user's."""
        if mine is not None:
            self.origins[path] = self.mine.origin(path)
        return mine

    def taken(self, kind: FindingKind | None, path: KeyPath, theirs: _T, text: str) -> _T:
        """The workspace's."""
        self.origins[path] = self.theirs.origin(path)
        if kind is not None:
            self.find(kind, path, text)
        return theirs

    def find(self, kind: FindingKind, path: KeyPath, text: str) -> None:
        """Note something about a value of the workspace."""
        origin = self.theirs.origin(path)
        self.findings.append(Finding(kind=kind, path=path, text=text, origin=origin))

    def clamped(self, path: KeyPath, value: _T | None, limit: int) -> _T | int | None:
        """A number within its limit (CFG-18; said aloud, P-62)."""
        if not isinstance(value, int) or value <= limit:
            return value
        origin = self.origins.get(path, self.mine.origin(path))
        self.findings.append(
            Finding(
                kind=FindingKind.CLAMPED,
                path=path,
                text=f"{leaf_text(path, value)} is more than {leaf_text(path, limit)}, "
                "which is used",
                origin=origin,
            )
        )
        return limit

    def _listed(self, path: KeyPath, mine: tuple[_T, ...] | None) -> tuple[_T, ...] | None:
        for number in range(len(mine or ())):
            self.origins[*path, number] = self.mine.origin((*path, number))
        return self.kept(path, mine)


def position_in(order: Sequence[_T]) -> Callable[[_T], float]:
    """How far a value is from the strict end of an order."""
    return order.index
