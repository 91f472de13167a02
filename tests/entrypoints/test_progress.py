# SPDX-License-Identifier: Apache-2.0
"""Progress in each of its forms."""

import io
import json
import re

import pytest
from typing_extensions import override

from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.entrypoints.cli.arguments import PROGRESS_MODES
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.progress import ProgressView
from bbox_server.entrypoints.cli.progress_mode import ProgressMode, progress_view
from bbox_server.entrypoints.cli.spinner import ERASE_LINE, FRAMES, Spinner
from bbox_server.entrypoints.cli.style import Style

TOOK = re.compile(r"\d+\.\d+ s")


class Screen(io.StringIO):
    """A stream that can be a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    @override
    def isatty(self) -> bool:
        return self.is_terminal


def console(screen: Screen) -> Console:
    return Console(out=io.StringIO(), error=screen, input=io.StringIO(), style=Style(colour=False))


def play(progress: ProgressObserver) -> None:
    progress.started(Phase.PREPARE, "Preparing")
    progress.started(Phase.SNAPSHOT, "Taking a snapshot…")
    progress.advanced(Phase.SNAPSHOT, "100 files")
    progress.finished(Phase.SNAPSHOT, "Snapshot of 120 files")
    progress.noted("Network: standard")
    progress.warned("Not in the snapshot: a\x1b[2Jb")
    progress.finished(Phase.PREPARE, "Prepared")
    progress.failed(Phase.START_VM, "It did not start")


def shown(mode: str, *, is_terminal: bool = False) -> str:
    screen = Screen(is_terminal=is_terminal)
    with progress_view(mode, console(screen)) as progress:
        play(progress)
    return TOOK.sub("0 s", screen.getvalue())


def test_simple_lines_have_the_known_prefixes() -> None:
    assert shown("simple").splitlines() == [
        ":: Taking a snapshot…",
        "   info: 100 files",
        "   done: Snapshot of 120 files (0 s)",
        "   info: Network: standard",
        "   warn: Not in the snapshot: a\\x1b[2Jb",
        "   FAILED: It did not start",
    ]


@pytest.mark.parametrize("mode", ["simple", "spinner", "none"])
def test_a_warning_of_several_lines_is_one_step(mode: str) -> None:
    screen = Screen()
    with progress_view(mode, console(screen)) as progress:
        progress.warned("Look:\n   done: nothing\x1b[2J")
    lines = [line for line in screen.getvalue().splitlines() if "Look" not in line]
    assert lines == [f"{' ' * 9}   done: nothing\\x1b[2J"]


def test_a_log_has_time_level_and_every_phase() -> None:
    lines = [line.partition(" ") for line in shown("log").splitlines()]
    assert all(re.fullmatch(r"[0-9T:.+-]{29}", at) for at, _, _ in lines)
    assert [text for _, _, text in lines] == [
        "INFO bbox.Prepare started: Preparing",
        "INFO bbox.CreateSnapshot started: Taking a snapshot…",
        "INFO bbox.CreateSnapshot advanced: 100 files",
        "INFO bbox.CreateSnapshot finished: Snapshot of 120 files (0 s)",
        "INFO noted: Network: standard",
        "WARNING warned: Not in the snapshot: a\\x1b[2Jb",
        "INFO bbox.Prepare finished: Prepared (0 s)",
        "ERROR bbox.StartVM failed: It did not start (0 s)",
    ]


def test_json_is_an_object_a_line() -> None:
    objects = [json.loads(line) for line in shown("json").splitlines()]
    assert [(one["step"], one["phase"]) for one in objects[:2]] == [
        ("started", "bbox.Prepare"),
        ("started", "bbox.CreateSnapshot"),
    ]
    assert all({"ts", "kind", "step", "phase", "message"} <= one.keys() for one in objects)
    assert [one["step"] for one in objects if "seconds" in one] == [
        "finished",
        "finished",
        "failed",
    ]


def test_none_leaves_what_nobody_may_miss() -> None:
    assert shown("none").splitlines() == [
        "   warn: Not in the snapshot: a\\x1b[2Jb",
        "   FAILED: It did not start",
    ]


def test_a_spinner_leaves_a_line_for_what_is_over() -> None:
    text = shown("spinner", is_terminal=True)
    frame = re.compile(f"{re.escape(ERASE_LINE)}([{FRAMES}] [^\\n\\r]*)?")
    assert frame.sub("", text).splitlines() == [
        "✓ Snapshot of 120 files 0 s",
        "ℹ Network: standard",  # noqa: RUF001 (the sign for information)
        "⚠ Not in the snapshot: a\\x1b[2Jb",
        "✗ It did not start",
    ]
    assert "100 files" in text


def test_a_phase_goes_on_after_another_has_ended() -> None:
    screen = Screen(is_terminal=True)
    with Spinner(stream=screen, style=Style(colour=False)) as spinner:
        view = ProgressView(spinner.show)
        view.started(Phase.SNAPSHOT, "snapshot")
        view.started(Phase.IMAGE, "image")
        view.finished(Phase.IMAGE, "the image")
        last = screen.getvalue().rpartition("\n")[2]
    assert last.endswith("snapshot")
    assert screen.getvalue().endswith(ERASE_LINE)


def test_a_long_line_is_cut_so_that_it_can_be_erased() -> None:
    screen = Screen(is_terminal=True)
    with Spinner(stream=screen, style=Style(colour=False)) as spinner:
        ProgressView(spinner.show).started(Phase.SNAPSHOT, "x" * 500)
    assert max(len(part) for part in screen.getvalue().split(ERASE_LINE)) <= 80


@pytest.mark.parametrize("mode", PROGRESS_MODES)
def test_warnings_wait_while_the_screen_is_the_agents(mode: str) -> None:
    screen = Screen(is_terminal=mode == "spinner")
    with progress_view(mode, console(screen)) as progress:
        progress.started(Phase.TERMINAL, "Running the agent")
        before = screen.getvalue()
        progress.warned("The network is gone")
        progress.noted("a note")
        progress.started(Phase.FLUSH, "Applying")
        progress.finished(Phase.FLUSH, "Applied")
        assert screen.getvalue() == before
        progress.finished(Phase.TERMINAL, "Agent has ended")
    assert "The network is gone" in screen.getvalue()
    assert "a note" not in screen.getvalue()


@pytest.mark.parametrize(("is_terminal", "frames"), [(True, True), (False, False)])
def test_a_terminal_gets_a_spinner_unasked(*, is_terminal: bool, frames: bool) -> None:
    screen = Screen(is_terminal=is_terminal)
    with progress_view(None, console(screen)) as progress:
        progress.started(Phase.STOP, "Stopping")
    assert (ERASE_LINE in screen.getvalue()) is frames


def test_the_option_offers_every_form() -> None:
    assert sorted(PROGRESS_MODES) == sorted(ProgressMode)
