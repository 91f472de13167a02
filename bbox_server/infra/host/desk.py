# SPDX-License-Identifier: Apache-2.0
"""$VISUAL, $EDITOR and $PAGER."""

import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

from typing_extensions import override

from bbox_server.domain.desk import Desk
from bbox_server.domain.error import BboxError
from bbox_server.infra.process.interactive import run_interactive

DEFAULT_EDITOR: Final = "vi"
# -R: colours; -F: no pager for less than a page; -X: leave the text on the screen
DEFAULT_PAGER: Final = "less -RFX"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDesk(Desk):
    """What the user's environment names."""

    environ: Mapping[str, str] = field(repr=False)

    @override
    def edit(self, content: bytes, name: str) -> bytes | None:
        editor = self.environ.get("VISUAL") or self.environ.get("EDITOR") or DEFAULT_EDITOR
        with tempfile.TemporaryDirectory(prefix="bbox-edit-") as directory:
            path = Path(directory, PurePath(name).name or "text")
            path.write_bytes(content)
            if run_interactive((*shlex.split(editor), str(path)), env=self.environ) != 0:
                return None
            edited = path.read_bytes()
        return None if edited == content else edited

    @override
    def show(self, text: str) -> None:
        if not sys.stdout.isatty():
            sys.stdout.write(text)
            return
        pager = self.environ.get("PAGER") or DEFAULT_PAGER
        # LESSSECURE: the text is the guest's, and less can run commands
        env = {**self.environ, "LESSSECURE": "1", "LESSCHARSET": "utf-8"}
        try:
            run_interactive(
                tuple(shlex.split(pager)), env=env, text=text.encode(errors="backslashreplace")
            )
        except BboxError:
            sys.stdout.write(text)
