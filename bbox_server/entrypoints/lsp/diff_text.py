# SPDX-License-Identifier: Apache-2.0
"""A change as a unified diff."""

from collections.abc import Iterator

from bbox_server.entrypoints.lsp.hunk_diagnostics import DONE, readable
from bbox_server.wire.review import ChangeMessage


def diff_text(change: ChangeMessage) -> str:
    """What an editor shows as a .diff file; a line for what has no lines."""
    return readable("".join(f"{line}\n" for line in _lines(change)))


def _lines(change: ChangeMessage) -> Iterator[str]:
    yield f"--- a/{change.old_path or change.path}" if change.baseline else "--- /dev/null"
    yield f"+++ b/{change.path}" if change.agent else "+++ /dev/null"
    if not change.hunks:
        done = DONE.get(change.kind, "changed this file")
        yield f"# The agent {done}; there are no lines to show."
    for hunk in change.hunks:
        lines = hunk.diff.removesuffix("\n").split("\n")
        if not lines[0].startswith("@@"):
            yield hunk.header
        yield from lines
