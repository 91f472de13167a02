# SPDX-License-Identifier: Apache-2.0
"""What the stand-in for the model says and does, turn by turn."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file that the agent writes with a tool of its own for that, if it has one."""

    path: str
    text: str

    @property
    def command(self) -> str:
        """What a shell does instead."""
        return f"printf %s {shlex.quote(self.text)} >{shlex.quote(self.path)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer: some words, and what the agent is to do: run a command, or write a file."""

    say: str = ""
    run: str = ""
    write: Written | None = None

    @property
    def command(self) -> str:
        """The turn for an agent that has no tool but a shell."""
        return self.write.command if self.write else self.run


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the model answers, in order."""

    turns: tuple[Turn, ...]
    final: str


def load_script(path: Path) -> Script:
    """Read a script; a command is a string or a list of lines."""
    content = json.loads(path.read_text())
    turns = tuple(
        Turn(say=turn.get("say", ""), run=_lines(turn["run"])) for turn in content["turns"]
    )
    return Script(turns=turns, final=content["final"])


def _lines(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "\n".join(text)
