# SPDX-License-Identifier: Apache-2.0
"""Why paths are hidden, for machines."""

from bbox_server.domain.excludes import Hidden, HideTier
from bbox_server.domain.explanation import Explanation
from bbox_server.wire.model import Message


class RuleMessage(Message):
    """A rule that hides; `source` and `line` are absent for the built-in ones."""

    tier: HideTier
    pattern: str
    source: str | None = None
    line: int | None = None


class ExplanationMessage(Message):
    """One path: what keeps it out of the guest, and what keeps changes out of the workspace."""

    path: str
    in_guest: bool
    tracked: bool
    hidden_by: RuleMessage | None = None
    withheld_by: RuleMessage | None = None


class ExplanationsMessage(Message):
    """The paths in the order in which they were asked for."""

    paths: tuple[ExplanationMessage, ...]


def explanations_message(explanations: tuple[Explanation, ...]) -> ExplanationsMessage:
    """Explanations for a client."""
    return ExplanationsMessage(
        paths=tuple(
            ExplanationMessage(
                path=str(each.path),
                in_guest=each.hidden is None,
                tracked=each.tracked,
                hidden_by=_rule_message(each.hidden),
                withheld_by=_rule_message(each.withheld),
            )
            for each in explanations
        )
    )


def _rule_message(rule: Hidden | None) -> RuleMessage | None:
    if rule is None:
        return None
    return RuleMessage(
        tier=rule.tier,
        pattern=rule.pattern,
        source=rule.source or None,
        line=rule.number or None,
    )
