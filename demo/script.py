# SPDX-License-Identifier: Apache-2.0
"""What the stand-in for the model says and does, turn by turn."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer: some words, and a command for the agent to run (none in the last turn)."""

    say: str = ""
    run: str = ""


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
