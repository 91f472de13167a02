# SPDX-License-Identifier: Apache-2.0
# What import-linter does not say: it sees modules, not the names taken from them.
import ast
import sys
from typing import Final

from tests.unit.tracked_files import imported_modules, python_trees, tracked_files

EVERYWHERE: Final = ("",)
# Where each package that is not ours may be imported. A new one is placed here first.
HOMES: Final = {
    "aiohttp": ("infra/credential", "infra/images"),
    "asyncssh": ("infra/ssh",),
    "cryptography": ("infra/ssh",),
    "cedarpy": ("infra/authz",),
    "lsprotocol": ("entrypoints/lsp",),
    "pydantic": ("wire", "infra/config"),
    "pydantic_core": ("infra/config",),
    "pygls": ("entrypoints/lsp",),
    "subprocess": ("infra/process",),
    "tomlkit": ("infra/settings",),
    "typing_extensions": EVERYWHERE,
    "unidiff": ("infra/diff",),
    "watchfiles": ("infra/workspace",),
    "yaml": ("infra/agents", "infra/config", "infra/images", "infra/settings"),
    "yarl": ("infra/credential", "infra/images"),  # aiohttp's URL
    "zstandard": ("infra/images",),
}
VAGUE: Final = frozenset(
    {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
)
SOURCES: Final = ("bbox_server", "guest", "images", "setup", "bench", "demo", "docs", "tests")


def test_each_vendor_is_imported_in_its_homes_only() -> None:
    astray = []
    for name, tree in python_trees("bbox_server"):
        room = name.removeprefix("bbox_server/")
        for module in imported_modules(tree):
            vendor = module.partition(".")[0]
            ours = vendor == "bbox_server"
            if ours or (vendor in sys.stdlib_module_names and vendor not in HOMES):
                continue
            if not room.startswith(tuple(home and f"{home}/" for home in HOMES.get(vendor, ()))):
                astray.append(f"{name} imports {vendor}")
    assert astray == []


def test_the_core_knows_no_file_system() -> None:
    allowed = {"pathlib.PurePosixPath"}
    astray = [
        f"{name} imports {module}"
        for name, tree in python_trees("bbox_server/domain", "bbox_server/application")
        for module in imported_modules(tree)
        if module.partition(".")[0] == "pathlib" and module not in allowed
    ]
    assert astray == []


def test_modules_carry_the_fields_words() -> None:
    vague = [
        name
        for name in tracked_files()
        if name.endswith(".py")
        and VAGUE & {part.rpartition("_")[2] for part in name.removesuffix(".py").split("/")}
    ]
    assert vague == []


def test_packages_re_export_nothing() -> None:
    astray = [
        name
        for name, tree in python_trees(*SOURCES)
        if name.endswith("/__init__.py")
        and any(not (isinstance(node, ast.Expr) and _is_text(node)) for node in tree.body)
    ]
    assert astray == []


def test_no_module_names_an_adapter_but_the_composition_root() -> None:
    astray = [
        f"{name} imports {module}"
        for name, tree in python_trees("bbox_server")
        if not name.startswith(("bbox_server/infra/", "bbox_server/bootstrap"))
        for module in imported_modules(tree)
        if module.startswith("bbox_server.infra")
    ]
    assert astray == []


def test_imports_are_read_at_run_time() -> None:
    astray = [
        f"{name} imports {module}"
        for name, tree in python_trees(*SOURCES)
        for module in imported_modules(tree)
        if module.startswith("__future__") or module.endswith(".TYPE_CHECKING")
    ]
    assert astray == []


def _is_text(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
