# SPDX-License-Identifier: Apache-2.0
"""What an agent's file says of its settings and of its MCP servers."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import TypeVar

from bbox_server.domain.fields import FieldFilter
from bbox_server.domain.mcp_registration import McpRegistration
from bbox_server.domain.settings import (
    SettingsCategory,
    SettingsEntry,
    SettingsFormat,
    SettingsKind,
)
from bbox_server.infra.agents.document import Document, invalid

_Choice = TypeVar("_Choice", bound=StrEnum)


def decode_settings(document: Document) -> tuple[SettingsEntry, ...]:
    """The entries of `settings` (compat AGT-08). Raises: agent.invalid."""
    return tuple(_entry(entry) for entry in document.children("settings"))


def decode_mcp(document: Document) -> McpRegistration | None:
    """The value of `mcp_servers`; None where there is none. Raises: agent.invalid."""
    if "mcp_servers" not in document.members:
        return None
    entry = document.child("mcp_servers").only(
        "path", "format", "servers", "url", "extra", "onboarded"
    )
    return McpRegistration(
        path=home_path(entry, entry.text("path")),
        format=_choice(entry, "format", SettingsFormat),
        servers=entry.text("servers"),
        url=entry.text("url") if "url" in entry.members else "url",
        extra=dict(entry.child("extra").members),
        onboarded=entry.text("onboarded") if "onboarded" in entry.members else "",
    )


def home_path(document: Document, text: str) -> PurePosixPath:
    """A path that stays in a home (compat CFG-54). Raises: agent.invalid."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise invalid(f"{document.place}: {text!r} does not lead into the home.")
    return path


def _entry(entry: Document) -> SettingsEntry:
    entry.only("category", "kind", "path", "guest_path", "format", "allow", "deny")
    kind = _choice(entry, "kind", SettingsKind) if "kind" in entry.members else SettingsKind.FILE
    if (kind is SettingsKind.MERGE_FILE) != ("format" in entry.members):
        raise invalid(f"{entry.place}: format belongs to a merge-file, which must have one.")
    deny = entry.child("deny")
    host_path = home_path(entry, entry.text("path"))
    guest_path = entry.members.get("guest_path", entry.text("path"))
    return SettingsEntry(
        host_path=host_path,
        guest_path=home_path(entry, str(guest_path)),
        kind=kind,
        category=_choice(entry, "category", SettingsCategory),
        format=_choice(entry, "format", SettingsFormat) if "format" in entry.members else None,
        fields=FieldFilter(
            allow=entry.texts("allow"), deny={name: deny.texts(name) for name in deny.members}
        ),
    )


def _choice(entry: Document, key: str, choices: type[_Choice]) -> _Choice:
    text = entry.text(key)
    try:
        return choices(text)
    except ValueError as error:
        known = ", ".join(choices)
        raise invalid(f"{entry.place}: {key} is {text!r}, and must be one of {known}.") from error
