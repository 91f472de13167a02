# SPDX-License-Identifier: Apache-2.0
"""Amounts of money."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Money:
    """An amount of one currency."""

    amount: float

    def __add__(self, other):
        return Money(self.amount + other.amount)


ZERO = Money(0.0)


def parse(text):
    """Read an amount such as `12.50` or `1,250.00`."""
    plain = text.strip().replace(",", "")
    if not plain:
        raise ValueError("an amount is missing")
    return Money(float(plain))


def total(amounts):
    """Add amounts up."""
    result = ZERO
    for amount in amounts:
        result = result + amount
    return result


def show(money):
    """Print an amount as people write it."""
    return f"{money.amount:.2f}"
