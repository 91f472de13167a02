# SPDX-License-Identifier: Apache-2.0
import ast
import re

from bbox_server.domain.error import CATALOGUE, ErrorCode
from tests.unit.tracked_files import python_trees


def test_every_code_has_an_entry() -> None:
    assert list(CATALOGUE) == list(ErrorCode)


def test_codes_are_sorted_and_named_alike() -> None:
    assert list(ErrorCode) == sorted(ErrorCode)
    assert [code.name for code in ErrorCode] == [re.sub("[.-]", "_", c).upper() for c in ErrorCode]
    assert [code for code in ErrorCode if not re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*", code)] == []


def test_messages_are_sentences() -> None:
    assert [code for code, entry in CATALOGUE.items() if not entry.message.endswith(".")] == []


def test_every_code_is_used() -> None:
    used = {
        node.attr
        for name, tree in python_trees("bbox_server")
        if name != "bbox_server/domain/error.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "ErrorCode"
    }
    assert [code.name for code in ErrorCode if code.name not in used] == []


def test_every_failure_says_its_cause_and_what_to_do() -> None:
    silent = [
        f"{name}:{node.lineno}"
        for name, tree in python_trees("bbox_server")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "BboxError"
        and not {"cause", "remediation"} <= _said(node)
    ]
    assert silent == []


def _said(call: ast.Call) -> set[str | None]:
    return {
        keyword.arg
        for keyword in call.keywords
        if not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
    }
