# SPDX-License-Identifier: Apache-2.0
"""The console scripts, and the host that the gateway starts."""

import logging
import os
import sys
from importlib.metadata import version

from bbox_server.bootstrap.composition import PACKAGE, Composition
from bbox_server.bootstrap.host import HostComposition
from bbox_server.domain.session import (
    SessionId,
)


def cli() -> None:
    """The `bbox` command."""
    from bbox_server.entrypoints.cli.console import standard_console
    from bbox_server.entrypoints.cli.main import main

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    code = main(
        sys.argv[1:],
        version=f"bbox {version(PACKAGE)}",
        services=lambda: Composition(environ=dict(os.environ)).services(),
        console=standard_console(colour=colour),
    )
    sys.exit(code)


def lsp() -> None:
    """The `bbox-server` command."""
    from bbox_server.entrypoints.lsp.main import main

    number = version(PACKAGE)
    code = main(
        sys.argv[1:],
        version=f"bbox-server {number}",
        services=lambda: Composition(environ=dict(os.environ)).lsp_services(number),
    )
    sys.exit(code)


def session_host() -> None:
    """A session's host: started by the gateway with the session and a listening socket."""
    import socket

    from bbox_server.entrypoints.session_host.main import main

    session, listener = SessionId(sys.argv[1]), int(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    composition = HostComposition(environ=dict(os.environ), session=session)
    main(composition.host_services, socket.socket(fileno=listener))
