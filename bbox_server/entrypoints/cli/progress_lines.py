# SPDX-License-Identifier: Apache-2.0
"""Progress as lines: for a person, for a log, for a program."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TextIO

from bbox_server.domain.progress import Phase
from bbox_server.entrypoints.cli.progress import ProgressStep, Show, Step

# Parts, and what the user sees without being told.
QUIET: Final = frozenset(
    {
        Phase.PREPARE,
        Phase.MICROVM,
        Phase.BOOT,
        Phase.SSH_WAIT,
        Phase.TERMINAL,
        Phase.SAVE_LOGIN,
        Phase.REVIEW,
        Phase.FLUSH,
        Phase.CLEANUP,
    }
)
# compat VM-23
PREFIXES: Final = {
    Step.STARTED: ":: ",
    Step.ADVANCED: "   info: ",
    Step.FINISHED: "   done: ",
    Step.FAILED: "   FAILED: ",
    Step.NOTED: "   info: ",
    Step.WARNED: "   warn: ",
}
CONTINUED: Final = " " * 9
LEVELS: Final = {Step.FAILED: "ERROR", Step.WARNED: "WARNING"}


def printer(line: Callable[[ProgressStep], str], stream: TextIO) -> Show:
    """Prints what a form makes of a step; empty is no line."""

    def show(step: ProgressStep) -> None:
        if text := line(step):
            # A window that was closed: the run must still be ended in order.
            with contextlib.suppress(OSError):
                stream.write(f"{indented(text)}\n")
                stream.flush()

    return show


def indented(text: str) -> str:
    """Lines after the first one stand apart: none of them can pass for a step."""
    return text.replace("\n", f"\n{CONTINUED}")


def simple(step: ProgressStep) -> str:
    """For a person without a terminal."""
    if is_quiet(step):
        return ""
    took = "" if step.took_s is None or step.step is Step.FAILED else f" ({step.took_s:.1f} s)"
    return f"{PREFIXES[step.step]}{step.message}{took}"


def log(step: ProgressStep) -> str:
    """Time, level, phase, message; every phase, also the parts."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    took = "" if step.took_s is None else f" ({step.took_s:.3f} s)"
    level = LEVELS.get(step.step, "INFO")
    where = f"{step.phase.value} " if step.phase else ""
    return f"{at} {level} {where}{step.step.value}: {step.message}{took}"


def as_json(step: ProgressStep) -> str:
    """One object a line; every phase, also the parts."""
    fields: dict[str, object] = {
        "ts": datetime.now(UTC).timestamp(),
        "kind": "progress",
        "step": step.step.value,
        "phase": step.phase.value if step.phase else None,
        "message": step.message,
    }
    if step.took_s is not None:
        fields["seconds"] = round(step.took_s, 3)
    return json.dumps(fields)


def warnings(step: ProgressStep) -> str:
    """What nobody may miss, in whatever form."""
    return simple(step) if step.step in LEVELS else ""


def is_quiet(step: ProgressStep) -> bool:
    """Whether a person is better off without it."""
    return step.phase in QUIET and step.step is not Step.FAILED
