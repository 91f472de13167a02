# SPDX-License-Identifier: Apache-2.0
"""The user's own tools on the command line."""

from typing import Protocol


class Desk(Protocol):
    """An editor and a pager, as the user has them set up."""

    def edit(self, content: bytes, name: str) -> bytes | None:
        """Let the user change a content; None when the editor failed or nothing was changed.

        Args:
            content: What to start from.
            name: The file's last name, for the editor's idea of the language.

        Raises: dependency.missing.
        """
        ...

    def show(self, text: str) -> None:
        """Show a text of any length, page by page on a terminal."""
        ...
