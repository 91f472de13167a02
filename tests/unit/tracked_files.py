# SPDX-License-Identifier: Apache-2.0
import ast
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# What the demo's agent works on is somebody else's project.
_FOREIGN: Final = ("demo/project/",)


def output_of(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
    """What a command of ours prints in the root."""
    return subprocess.run(
        argv, cwd=ROOT, env=env, capture_output=True, text=True, check=True
    ).stdout


@cache
def tracked_files() -> tuple[str, ...]:
    """Our files, those too that are not added yet; relative to the root."""
    listed = output_of(("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"))
    names = {name for name in listed.split("\0") if name and not name.startswith(_FOREIGN)}
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@cache
def text_of(name: str) -> str | None:
    """A file's text; None for a binary file."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def python_trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Name and syntax tree of each Python file below the folders."""
    for name in tracked_files():
        text = text_of(name) if name.endswith(".py") else None
        if text is not None and name.startswith(tuple(f"{folder}/" for folder in folders)):
            yield name, ast.parse(text, name)


def imported_modules(tree: ast.Module) -> Iterator[str]:
    """Dotted names, `from a import b` as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
