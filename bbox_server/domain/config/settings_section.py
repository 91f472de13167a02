# SPDX-License-Identifier: Apache-2.0
"""Which of the user's own settings of an agent are carried into the guest (compat CFG-13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class SettingsCategory(StrEnum):
    """What a settings file is about."""

    SETTINGS = "settings"
    INSTRUCTIONS = "instructions"
    RULES = "rules"
    AGENTS = "agents"
    SKILLS = "skills"
    COMMANDS = "commands"
    TOOLS = "tools"
    PLUGINS = "plugins"
    THEMES = "themes"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSection:
    """`settings_import`; what is not set is carried."""

    enabled: bool | None = None
    categories: Mapping[SettingsCategory, bool] | None = None

    def carries(self, category: SettingsCategory | None) -> bool:
        """Whether a category is carried; None is an entry without one."""
        if self.enabled is False:
            return False
        return category is None or (self.categories or {}).get(category, True)

    def narrowed_by(self, other: "SettingsSection") -> "SettingsSection":
        """Carries what both carry: of the whole config, and of one agent (compat CFG-38)."""
        return SettingsSection(
            enabled=self.carries(None) and other.carries(None),
            categories={
                category: self.carries(category) and other.carries(category)
                for category in SettingsCategory
            },
        )
