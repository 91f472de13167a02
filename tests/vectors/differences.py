# SPDX-License-Identifier: Apache-2.0
"""The table of docs/compat.md: which cases ours answers in another way, and by which rule."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "compat.md"
HEADING: Final = "## Cases that differ"

_ROW: Final = re.compile(r"\|([^|]+)\|([^|]+)\|([^|]+)\|")
_ID: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Why a case may differ."""

    rule: str
    why: str


def read_differences(page: Path = PAGE) -> dict[str, Difference]:
    """By the id of the case."""
    _, _, section = page.read_text().partition(f"{HEADING}\n")
    found: dict[str, Difference] = {}
    for line in section.partition("\n## ")[0].splitlines():
        row = _ROW.fullmatch(line.strip())
        if row is not None:
            ids, rule, why = (cell.strip() for cell in row.groups())
            found |= {each: Difference(rule=rule, why=why) for each in _ID.findall(ids)}
    return found
