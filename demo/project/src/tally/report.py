# SPDX-License-Identifier: Apache-2.0
"""What was spent, by category."""

from collections import defaultdict
from dataclasses import dataclass

from tally.money import Money, parse, show, total


@dataclass(frozen=True)
class Entry:
    """One line of the file."""

    date: str
    category: str
    money: Money


def read(lines):
    """Read entries; empty lines and comments are skipped."""
    entries = []
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        date, category, amount = line.split()
        entries.append(Entry(date, category, parse(amount)))
    return entries


def by_category(entries):
    """The total of each category."""
    amounts = defaultdict(list)
    for entry in entries:
        amounts[entry.category].append(entry.money)
    return {category: total(found) for category, found in amounts.items()}


def render(totals):
    """The report as text, one category a line."""
    lines = []
    for category in totals:
        lines.append(f"{category:<10} {show(totals[category]):>6}")
    return "\n".join(lines)
