# SPDX-License-Identifier: Apache-2.0
"""Which workspace and which config file a command line means."""

import os
from argparse import Namespace

from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli.services import Services


def workspace_of(given: str | None, services: Services) -> HostPath:
    """The directory, links resolved."""
    path = os.path.join(services.directory, given or ".")  # noqa: PTH118 (bytes that are no UTF-8 stay)
    return HostPath(os.path.realpath(path))


def config_file(values: Namespace, services: Services) -> HostPath | None:
    """The user's file where one is named; its path is this process's, not the session host's."""
    if values.config is None:
        return None
    return HostPath(os.path.join(services.directory, values.config))  # noqa: PTH118 (as the user wrote it)
