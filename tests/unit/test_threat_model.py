# SPDX-License-Identifier: Apache-2.0
"""Each promise of docs/threat-model.md has a test, and that test is there."""

import ast
import re
from typing import Final

import pytest

from tests.unit.tracked_files import ROOT

PAGE: Final = (ROOT / "docs/threat-model.md").read_text()
ROWS: Final = [
    row
    for row in re.findall(r"^\| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    if row != ("promise", "held by")
]
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED: Final = sorted({test for _, tests in ROWS for test in TEST.findall(tests)})


def test_there_are_promises_at_every_border() -> None:
    borders = PAGE.partition("## Borders and promises")[2].partition("## Not promised")[0]
    parts = borders.split("\n### ")[1:]
    assert len(parts) == 6
    assert [part.splitlines()[0] for part in parts if not TEST.search(part)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_promise_names_its_tests_and_nothing_else(row: tuple[str, str]) -> None:
    assert TEST.search(row[1])
    assert re.sub(r"[, ]", "", TEST.sub("", row[1])) == ""


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, functions)}
