# SPDX-License-Identifier: Apache-2.0
"""What a flush takes out of the workspace: kept whole, for undo."""

import errno
import os
import stat
from contextlib import suppress

from bbox_server.infra.workspace.beneath import open_file
from bbox_server.infra.workspace.flush_staging import chunks_of
from bbox_server.infra.workspace.flush_steps import Place, Steps
from bbox_server.infra.workspace.metadata import metadata_of


def take_out(steps: Steps, temporary: Place, kept: Place) -> None:
    """Move a file or link into the journal. Of a directory nothing is kept, but it must be empty.

    Raises:
        OSError: It is where it was.
    """
    if stat.S_ISDIR(_mode(temporary)):
        steps.remove_leftover_directory(temporary)
        return
    try:
        steps.keep_original(temporary, kept)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_out(steps, temporary, kept)


def _copy_out(steps: Steps, temporary: Place, kept: Place) -> None:
    """Copy to the journal's file system, whole or not at all; then remove."""
    copy = (kept[0], kept[1] + b".part")
    with suppress(FileNotFoundError):
        steps.remove_leftover(copy)
    if stat.S_ISLNK(_mode(temporary)):
        target = os.readlink(temporary[1], dir_fd=temporary[0])
        steps.stage_link(copy, os.fsdecode(target), None)
    else:
        _copy_file(steps, temporary, copy)
    steps.name_copy(copy, kept)
    steps.remove_leftover(temporary)


def _copy_file(steps: Steps, source: Place, copy: Place) -> None:
    source_fd = open_file(*source)
    with (
        os.fdopen(source_fd, "rb", buffering=0),
        os.fdopen(steps.make_part(copy), "wb", buffering=0) as made,
    ):
        for chunk in chunks_of(source_fd):
            steps.write_part(made.fileno(), chunk)
        steps.dress_part(made.fileno(), metadata_of(source_fd))
        os.fsync(made.fileno())


def _mode(place: Place) -> int:
    return os.stat(place[1], dir_fd=place[0], follow_symlinks=False).st_mode
