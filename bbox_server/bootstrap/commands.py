# SPDX-License-Identifier: Apache-2.0
"""The console scripts, and the host that the gateway starts."""

import logging
import os
import sys

from bbox_server.domain.session import SessionId


def cli() -> None:
    """The `bbox` command."""
    from bbox_server.bootstrap.gateway import session_gateway
    from bbox_server.domain.gateway import StartingHost
    from bbox_server.entrypoints.cli.arguments import CommandLine
    from bbox_server.entrypoints.cli.console import Console, standard_console
    from bbox_server.entrypoints.cli.main import main

    environ = dict(os.environ)

    async def run(line: CommandLine, console: Console, host: StartingHost | None) -> int:
        # Loads while a host that was started does.
        from bbox_server.bootstrap.composition import Composition
        from bbox_server.entrypoints.cli.commands import run_command

        return await run_command(line, Composition(environ=environ).services(), console, host)

    colour = sys.stdout.isatty() and "NO_COLOR" not in environ
    code = main(
        sys.argv[1:],
        version=lambda: f"bbox {_number()}",
        start_host=lambda: session_gateway(environ).start(),
        run=run,
        console=standard_console(colour=colour),
    )
    sys.exit(code)


def _number() -> str:
    from importlib.metadata import version

    from bbox_server.bootstrap.composition import PACKAGE

    return version(PACKAGE)


def lsp() -> None:
    """The `bbox-server` command."""
    from bbox_server.bootstrap.composition import Composition
    from bbox_server.entrypoints.lsp.main import main

    number = _number()
    code = main(
        sys.argv[1:],
        version=f"bbox-server {number}",
        services=lambda: Composition(environ=dict(os.environ)).lsp_services(number),
    )
    sys.exit(code)


def refresh_image() -> None:
    """What asks a registry for a name's image beside a run: it outlives the run."""
    import asyncio

    from bbox_server.bootstrap.adapters import IMAGES
    from bbox_server.bootstrap.composition import Composition
    from bbox_server.domain.image import PullPolicy, parse_reference
    from bbox_server.infra.images.refresh import alone

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    adapters = Composition(environ=dict(os.environ)).adapters
    reference = parse_reference(sys.argv[1])
    with alone(adapters.directories.cache / IMAGES):
        root = asyncio.run(adapters.images.resolve(reference, PullPolicy.ALWAYS))
    logging.getLogger(__name__).info("%s is sha256:%s", reference, root.digest)


def session_host() -> None:
    """A session's host: started by the gateway with the session and a listening socket."""
    import socket

    from bbox_server.bootstrap.host import HostComposition
    from bbox_server.entrypoints.session_host.main import main

    session, listener = SessionId(sys.argv[1]), int(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    composition = HostComposition(environ=dict(os.environ), session=session)
    main(composition.host_services, socket.socket(fileno=listener))
