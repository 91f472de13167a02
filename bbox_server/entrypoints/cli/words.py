# SPDX-License-Identifier: Apache-2.0
"""Values of repeated options."""

from collections.abc import Iterable


def split_words(values: Iterable[str]) -> tuple[str, ...]:
    """Repeatable and comma-splitting, as the flags of compat CLI-05 are."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())
