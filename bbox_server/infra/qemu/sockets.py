# SPDX-License-Identifier: Apache-2.0
"""Sockets that are made here and handed to QEMU and its daemons as descriptors.

They so need no right to the session's directories, and can't put anything else in a socket's
place. A socket is reached through a descriptor of its directory: paths may be of any length.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def listen_at(path: Path) -> socket.socket:
    """A listening unix socket; one that a former process left is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    with _short(path) as name:
        listener.bind(name)
    listener.listen(1)
    return listener


def connect_to(path: Path) -> socket.socket:
    """A connection to a listening unix socket; does not wait when its backlog is full.

    Raises:
        OSError: As connect(2).
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(0)
    try:
        with _short(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    directory_fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory_fd}/{path.name}"
    finally:
        os.close(directory_fd)
