# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error, in the form that the user wants (compat CLI-34, IOB-02 to 05)."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from bbox_server.domain.progress import ProgressObserver
from bbox_server.entrypoints.cli import progress_lines
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.progress import ProgressView
from bbox_server.entrypoints.cli.spinner import Spinner


class ProgressMode(StrEnum):
    """The forms."""

    SPINNER = "spinner"
    SIMPLE = "simple"
    LOG = "log"
    JSON = "json"
    NONE = "none"


@contextmanager
def progress_view(mode: str | None, console: Console) -> Iterator[ProgressObserver]:
    """The view for a command; None is a spinner on a terminal, and plain lines elsewhere."""
    default = ProgressMode.SPINNER if console.error.isatty() else ProgressMode.SIMPLE
    match ProgressMode(mode) if mode else default:
        case ProgressMode.SPINNER:
            with Spinner(stream=console.error, style=console.style) as spinner:
                yield ProgressView(spinner.show)
        case ProgressMode.SIMPLE:
            yield ProgressView(progress_lines.printer(progress_lines.simple, console.error))
        case ProgressMode.LOG:
            yield ProgressView(progress_lines.printer(progress_lines.log, console.error))
        case ProgressMode.JSON:
            yield ProgressView(progress_lines.printer(progress_lines.as_json, console.error))
        case ProgressMode.NONE:
            yield ProgressView(progress_lines.printer(progress_lines.warnings, console.error))
