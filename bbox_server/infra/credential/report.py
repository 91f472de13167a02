# SPDX-License-Identifier: Apache-2.0
"""The audit lines, so many that a guest can't flood whoever reads them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from bbox_server.domain.credential import CredentialUse

REFUSALS_INTERVAL_S: Final = 1.0
"""A refusal costs the guest nothing, so it is reported at most this often for each reason."""

_OURS: Final = frozenset(
    {"budget", "busy", "login", "method", "path", "placeholder", "rate", "route"}
)


@dataclass(slots=True)
class AuditReport:
    """Passes uses on; refusals that come quickly are one, with their number.

    What a provider answered or failed to is always reported: the rate is its own.
    """

    sink: Callable[[CredentialUse], None]
    now: Callable[[], float]
    _last: dict[str, float] = field(default_factory=dict)
    _waiting: dict[str, CredentialUse] = field(default_factory=dict)

    def take(self, use: CredentialUse) -> None:
        """Report now, or with the next refusal for the same reason."""
        if use.refused not in _OURS:
            self.sink(use)
            return
        held = self._waiting.pop(use.refused, None)
        counted = replace(use, count=use.count + (held.count if held else 0))
        if self.now() - self._last.get(use.refused, -REFUSALS_INTERVAL_S) < REFUSALS_INTERVAL_S:
            self._waiting[use.refused] = counted
            return
        self._last[use.refused] = self.now()
        self.sink(counted)

    def finish(self) -> None:
        """Report what still waits."""
        for use in self._waiting.values():
            self.sink(use)
        self._waiting.clear()
