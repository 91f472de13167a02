# SPDX-License-Identifier: Apache-2.0
"""Colours and icons of the command line; plain where the output is no terminal."""

from dataclasses import dataclass

RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How to mark text. `colour` False leaves every text as it is (NO_COLOR, pipes)."""

    colour: bool

    def bold(self, text: str) -> str:
        """Titles and names."""
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """What is there if you look for it."""
        return self._paint("2", text)

    def red(self, text: str) -> str:
        """Failures and removed lines."""
        return self._paint("31", text)

    def green(self, text: str) -> str:
        """Success and added lines."""
        return self._paint("32", text)

    def yellow(self, text: str) -> str:
        """Warnings."""
        return self._paint("33", text)

    def cyan(self, text: str) -> str:
        """Hunk headers and keys to press."""
        return self._paint("36", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{RESET}" if self.colour else text
