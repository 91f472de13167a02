# SPDX-License-Identifier: Apache-2.0
"""The way to sessions' hosts, made of little: a host is started before all else is loaded."""

import os
from collections.abc import Mapping

from bbox_server.domain.gateway import SessionGateway
from bbox_server.infra.clock.system import RandomIds
from bbox_server.infra.host.directories import make_directories, resolve_directories
from bbox_server.infra.session_api.gateway import SocketGateway


def session_gateway(environ: Mapping[str, str]) -> SessionGateway:
    """The hosts of this user, on this machine."""
    places = resolve_directories(environ, uid=os.geteuid())
    make_directories(places)
    return SocketGateway(
        state=places.state,
        runtime=places.runtime,
        environ=environ,
        new_session=RandomIds().session_id,
    )
