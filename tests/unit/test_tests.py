# SPDX-License-Identifier: Apache-2.0
import ast
from collections.abc import Iterable, Iterator
from typing import Final

from tests.unit.tracked_files import python_trees

ASSERTING: Final = ("assert", "raises", "expect", "check", "fail", "warns")
SLOW: Final = {"vm", "e2e"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_test_asserts_something() -> None:
    empty = [f"{name}:{test.lineno}" for name, test, _ in every_test() if not asserts(test)]
    assert empty == []


def test_every_slow_test_carries_its_own_timeout() -> None:
    unbounded = [
        f"{name}:{test.lineno}"
        for name, test, marks in every_test()
        if SLOW & marks and "timeout" not in marks
    ]
    assert unbounded == []


def test_tests_that_boot_are_marked() -> None:
    unmarked = [
        f"{name}:{test.lineno}"
        for name, test, marks in every_test()
        if name.startswith(("tests/vm/", "tests/e2e/")) and not SLOW & marks
    ]
    assert unmarked == []


def every_test() -> Iterator[tuple[str, Function, set[str]]]:
    """File, function and the names of its marks: its own and its module's."""
    for name, tree in python_trees("tests"):
        shared = marks_in([node for node in tree.body if is_pytestmark(node)])
        functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
        for test in functions:
            if test.name.startswith("test_"):
                yield name, test, shared | marks_in(test.decorator_list)


def is_pytestmark(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "pytestmark"
    )


def marks_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        node.attr
        for top in nodes
        for node in ast.walk(top)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark"
    }


def asserts(test: ast.AST) -> bool:
    called = [node.func for node in ast.walk(test) if isinstance(node, ast.Call)]
    names = [ast.unparse(function).rpartition(".")[2] for function in called]
    return any(isinstance(node, ast.Assert) for node in ast.walk(test)) or any(
        name.startswith(ASSERTING) for name in names
    )
