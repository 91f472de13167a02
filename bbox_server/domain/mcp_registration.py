# SPDX-License-Identifier: Apache-2.0
"""How an agent is told of the MCP proxy: an entry in a file of its own (compat AGT-09)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.fields import Fields
from bbox_server.domain.settings import SettingsFormat

SERVER_NAME: Final = "sandbox-tools"
_VARIABLE: Final = re.compile(r"\$\{(BBOX_[A-Z0-9_]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpRegistration:
    """Where an agent reads its MCP servers.

    Attributes:
        path: Relative to the guest's home.
        servers: The field that holds them by name.
        url: The field of a server that holds its address.
        extra: Further fields of a server.
        onboarded: Set at the top when a saved login is there, so that the agent doesn't ask for
            one (compat AGT-10); empty where there is no such field.
    """

    path: PurePosixPath
    format: SettingsFormat
    servers: str
    url: str = "url"
    extra: Mapping[str, object] = field(default_factory=dict)
    onboarded: str = ""

    def registered(
        self, existing: Mapping[str, object], address: str, *, has_login: bool = False
    ) -> Fields:
        """The file's fields with the proxy in them; other servers stay as they are."""
        known = existing.get(self.servers)
        servers = dict(known) if isinstance(known, dict) else {}
        servers[SERVER_NAME] = {**self.extra, self.url: address}
        fields = {**existing, self.servers: servers}
        return {**fields, self.onboarded: True} if has_login and self.onboarded else fields


def expanded(value: object, variables: Mapping[str, str]) -> object:
    """A value whose texts have bbox's own variables filled in, such as `${BBOX_MCP_URL}`.

    No other variable: a file for the guest must not draw the host's secrets in (compat CFG-53).
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {name: expanded(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, variables) for each in value]
    return value
