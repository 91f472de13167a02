# SPDX-License-Identifier: Apache-2.0
"""The user's own settings of an agent: what of them is carried into the guest (compat SET).

They go one way. What the guest does to its copies is never written back (P-34).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final, Protocol

from bbox_server.domain.excludes import secret_rule
from bbox_server.domain.fields import FieldFilter
from bbox_server.domain.sensitive import fold
from bbox_server.domain.workspace import HostPath

FILE_LIMIT_BYTES: Final = 1 << 20
TOTAL_LIMIT_BYTES: Final = 50 << 20
FILE_COUNT_LIMIT: Final = 500
DEPTH_LIMIT: Final = 8
"""Compat SET-01."""

CREDENTIAL_NAMES: Final = frozenset({
    ".credentials.json", "auth.json", "oauth_creds.json", "google_accounts.json",
    "mcp-oauth-tokens.json", "mcp-oauth-tokens-v2.json", ".git",
})  # fmt: skip
"""Where agents keep logins, and what a cloned plugin may have a token in; folded."""


class SettingsCategory(StrEnum):
    """What a settings file is about (compat CFG-13)."""

    SETTINGS = "settings"
    INSTRUCTIONS = "instructions"
    RULES = "rules"
    AGENTS = "agents"
    SKILLS = "skills"
    COMMANDS = "commands"
    TOOLS = "tools"
    PLUGINS = "plugins"
    THEMES = "themes"


class SettingsKind(StrEnum):
    """How an entry is carried (compat SET-01)."""

    FILE = "file"
    DIRECTORY = "directory"
    MERGE_FILE = "merge-file"


class SettingsFormat(StrEnum):
    """How a file that is merged is written (compat SET-04)."""

    JSON = "json"
    JSONC = "jsonc"
    TOML = "toml"
    YAML = "yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsEntry:
    """A file or directory of an agent's manifest.

    Attributes:
        host_path: Relative to the user's home.
        guest_path: Relative to the guest's.
        format: Of a file that is merged.
        optional: Whether a run goes on without it.
        fields: What of a file that is merged passes.
    """

    host_path: PurePosixPath
    guest_path: PurePosixPath
    kind: SettingsKind = SettingsKind.FILE
    category: SettingsCategory | None = None
    format: SettingsFormat | None = None
    optional: bool = True
    fields: FieldFilter = field(default_factory=FieldFilter)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsImport:
    """What the user lets in; what is not set is let in."""

    enabled: bool | None = None
    categories: Mapping[SettingsCategory, bool] = field(default_factory=dict)

    def carries(self, category: SettingsCategory | None) -> bool:
        """Whether entries of a category are carried; None is an entry without one."""
        if self.enabled is False:
            return False
        return category is None or self.categories.get(category, True)

    def chosen(self, manifest: tuple[SettingsEntry, ...]) -> tuple[SettingsEntry, ...]:
        """The entries that are carried (SET-09)."""
        return tuple(entry for entry in manifest if self.carries(entry.category))

    def tightened(self, by: "SettingsImport") -> "SettingsImport":
        """What both let in: a workspace can only take away (compat CFG-29)."""
        off = {
            category: False
            for category in SettingsCategory
            if not self.categories.get(category, True) or not by.categories.get(category, True)
        }
        enabled = False if False in (self.enabled, by.enabled) else self.enabled
        return SettingsImport(enabled=enabled, categories={**self.categories, **off})


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedFile:
    """A file for the guest's home.

    Attributes:
        source: Where it comes from, relative to the user's home.
        mode: 0600, or 0700 for what the user may run.
        fields_left_out: Of a merged file, the top-level names that don't pass.
        secrets_left_out: Of a merged file, where a credential stood; dotted, never the value.
    """

    path: PurePosixPath
    source: PurePosixPath
    content: bytes = field(repr=False)
    category: SettingsCategory | None = None
    mode: int = 0o600
    fields_left_out: tuple[str, ...] = ()
    secrets_left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedSetting:
    """What could not be carried, and why; the run goes on (P-34)."""

    source: PurePosixPath
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedSettings:
    """What of the user's settings goes into the guest."""

    files: tuple[CarriedFile, ...] = ()
    skipped: tuple[SkippedSetting, ...] = ()


class SettingsSource(Protocol):
    """The user's home, read without following links."""

    async def read(
        self,
        home: HostPath,
        entries: tuple[SettingsEntry, ...],
        own: Mapping[PurePosixPath, bytes],
    ) -> CarriedSettings:
        """What is there of the entries.

        Args:
            home: The user's.
            entries: Already chosen; of two for one path in the guest the later one counts.
            own: What bbox writes into the guest's home itself, by path. It stands above what is
                merged into the same file, and in place of what is copied there.

        Raises:
            BboxError: settings.missing, for an entry that isn't optional.
        """
        ...


def credential_reason(path: PurePosixPath) -> str | None:
    """Why a file of a settings directory may hold a credential; None where it may be carried."""
    named = next((part for part in path.parts if fold(part) in CREDENTIAL_NAMES), None)
    if named is not None:
        return f"{named} may hold a credential"
    pattern = secret_rule(path)
    return None if pattern is None else f"it may hold a secret ({pattern})"
