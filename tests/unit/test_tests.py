# SPDX-License-Identifier: Apache-2.0
import ast
from collections.abc import Iterable, Iterator
from typing import Final

from tests.unit.tracked_files import python_trees

ASSERTING: Final = ("assert", "raises", "expect", "check", "fail", "warns", "wait_for")
SLOW: Final = {"vm", "e2e"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_test_asserts_something() -> None:
    empty = [
        f"{name}:{test.lineno}"
        for name, tree in python_trees("tests")
        for helpers in [helpers_of(tree)]
        for test in cases_of(tree)
        if not asserts(test, helpers)
    ]
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
        for test in cases_of(tree):
            yield name, test, shared | marks_in(test.decorator_list)


def cases_of(tree: ast.Module) -> Iterator[Function]:
    return (function for function in functions_of(tree) if function.name.startswith("test_"))


def functions_of(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def helpers_of(tree: ast.Module) -> set[str]:
    """The module's own functions that assert something for its tests."""
    return {function.name for function in functions_of(tree) if asserts(function, set())}


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


def asserts(function: Function, helpers: set[str]) -> bool:
    # A property is "this raises nothing else": hypothesis itself is the judge.
    if any("given(" in ast.unparse(decorator) for decorator in function.decorator_list):
        return True
    return any(is_assertion(node, helpers) for node in ast.walk(function))


def is_assertion(node: ast.AST, helpers: set[str]) -> bool:
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Assert)
    called = ast.unparse(node.func).rpartition(".")[2]
    checked = any(ast.unparse(keyword) == "check=True" for keyword in node.keywords)
    return checked or called in helpers or called.startswith(ASSERTING)
