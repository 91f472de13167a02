# SPDX-License-Identifier: Apache-2.0
"""`python -m docs.generate [--check]`: the pages that are made from the code."""

import sys
from pathlib import Path
from typing import Final

from bbox_server.domain.error import CATALOGUE, ErrorCode, Retry
from docs.configuration import keys_page, schema_file
from docs.protocol import protocol_page
from docs.typescript import message_types, method_types

_HERE: Final = Path(__file__).parent
_EXTENSION: Final = _HERE.parent / "vscode-extension"
_WIRE: Final = _EXTENSION / "src/wire"
_RETRY: Final = {
    Retry.RETRY: "Repeat; it is safe and may help.",
    Retry.FIX: "Fix the cause first.",
    Retry.UNKNOWN: "Look at the state first; it may have happened.",
}


def errors_page() -> str:
    """The catalogue of errors as Markdown."""
    lines = [
        "# Errors",
        "",
        "Generated from `bbox_server/domain/error.py` by `make docs`.",
        "A failure has a code, a message, its cause and what to do about it. Codes are",
        "stable: a script may match on them. The last column is the same on every occasion.",
        "",
        "| code | message | `retry` | what that means |",
        "|---|---|---|---|",
    ]
    for code in sorted(ErrorCode):
        entry = CATALOGUE[code]
        lines.append(f"| `{code}` | {entry.message} | `{entry.retry}` | {_RETRY[entry.retry]} |")
    return "\n".join([*lines, ""])


def pages() -> dict[Path, str]:
    """Every generated page."""
    return {
        _HERE / "errors.md": errors_page(),
        _HERE / "protocol.md": protocol_page(),
        _HERE / "guide/configuration-keys.md": keys_page(),
        _EXTENSION / "schemas/broodbox.schema.json": schema_file(),
        _WIRE / "messages.ts": message_types(),
        _WIRE / "methods.ts": method_types(),
    }


def main(argv: list[str]) -> int:
    """Write the pages, or say which are stale."""
    stale = [page for page, text in pages().items() if _read(page) != text]
    if argv == ["--check"]:
        for page in stale:
            print(f"{page.relative_to(_HERE.parent)} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for page in stale:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pages()[page])
    return 0


def _read(page: Path) -> str:
    return page.read_text() if page.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
