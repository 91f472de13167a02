# SPDX-License-Identifier: Apache-2.0
"""`bbox-server`: one editor on standard input and output, or on a socket."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence

from bbox_server.entrypoints.lsp.server import BboxServer
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.entrypoints.lsp.transport import READ_LIMIT_BYTES, standard_streams

# 128 + SIGTERM, as a shell reports it
TERMINATED = 143


def main(argv: Sequence[str], *, version: str, services: Callable[[], LspServices]) -> int:
    """Serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bbox-server", description="bbox for editors (LSP).")
    parser.add_argument("--version", action="version", version=version)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--stdio", action="store_true", help="speak on standard input and output")
    way.add_argument("--socket", metavar="PATH", help="connect to an editor's unix socket")
    values = parser.parse_args(argv)
    # pygls logs whole messages.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return asyncio.run(_serve(values.socket, services))
    except asyncio.CancelledError:
        return TERMINATED


async def _serve(socket: str | None, services: Callable[[], LspServices]) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (asyncio.run always has one)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if socket is None:
        reader, writer = await standard_streams()
    else:
        try:
            reader, writer = await asyncio.open_unix_connection(socket, limit=READ_LIMIT_BYTES)
        except OSError as error:
            sys.stderr.write(f"bbox-server: {socket}: {error.strerror}. Does the editor listen?\n")
            return 1
    return await BboxServer(services()).serve(reader, writer)
