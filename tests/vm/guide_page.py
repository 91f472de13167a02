# SPDX-License-Identifier: Apache-2.0
"""Runs the `console` blocks of a page: commands behind `$ `, and what they print."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.unit.tracked_files import ROOT
from tests.vm.bbox_command import BBOX

BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT: Final = "$ "
ANYTHING: Final = "…"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A command, and the lines that the page shows; `…` is any text, alone any lines."""

    command: str
    shown: tuple[str, ...]

    def matches(self, output: str) -> bool:
        """Whether the page tells the truth."""
        lines = [
            r"(?:.*\n)*?"
            if line == ANYTHING
            else ".*".join(map(re.escape, line.split(ANYTHING))) + r"[ ]*\n"
            for line in self.shown
        ]
        return re.fullmatch("".join(lines), output) is not None


def examples(page: str, about: str) -> Iterator[Example]:
    """In the page's order; of blocks that have a word, where one is given."""
    blocks = BLOCK.findall((ROOT / page).read_text())
    for block in (block for block in blocks if about in block):
        for part in re.split(rf"^{re.escape(PROMPT)}", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield Example(command=command, shown=tuple(shown))


def run_page(
    page: str,
    cwd: Path,
    env: Mapping[str, str],
    *,
    about: str = "",
    prefix: tuple[str, ...] = (),
) -> str:
    """Run everything, or the blocks with a word; returns what printed something else.

    Args:
        prefix: A program that runs the commands, such as one that enters namespaces.
    """
    wrong = []
    path = f"{Path(BBOX).parent}{os.pathsep}{env['PATH']}"
    for example in examples(page, about):
        done = subprocess.run(
            [*prefix, "env", f"--chdir={cwd}", "sh", "-c", example.command],
            cwd=cwd,
            env={**env, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=150,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if not example.matches(output):
            wrong.append(f"$ {example.command}\n{output}")
    return "\n".join(wrong)
