# SPDX-License-Identifier: Apache-2.0
"""The machine's own apt configuration, as far as mmdebstrap needs it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from images.command import call
from images.pins import BuildError

_APT: Final = Path("/etc/apt")

# How to reach a mirror: proxies, certificates, time-outs, and what snapshots of the past need.
_OPTION: Final = re.compile(r'Acquire::(?:https?::|Check-|Retries)[^"]*"')


def sources(series: str, root: Path = _APT) -> str:
    """The machine's sources of one Debian series in apt's one-line form; empty if it has none."""
    paths = sorted(root.glob("sources.list.d/*.list")) + sorted(root.glob("sources.list"))
    lines = [line for path in paths for line in _one_line(path.read_text())]
    for path in sorted(root.glob("sources.list.d/*.sources")):
        lines += _stanzas(path.read_text())
    suites = {series, f"{series}-updates", f"{series}-security"}
    chosen = [line for line in lines if _suite(line) in suites and "main" in line.split()]
    if any("@" in line for line in chosen):
        raise BuildError("An apt source has a password in it; put it into /etc/apt/auth.conf.")
    return "".join(f"{line}\n" for line in dict.fromkeys(chosen))


def options() -> tuple[str, ...]:
    """Lines of apt's configuration for `--aptopt`."""
    return tuple(line for line in call("apt-config", "dump").splitlines() if _OPTION.match(line))


def _one_line(content: str) -> Iterator[str]:
    for line in content.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] == "deb":
            yield " ".join(words)


def _suite(line: str) -> str:
    without_options = re.sub(r"\[.*?\]", "", line)
    words = without_options.split()
    return words[2].removesuffix("/") if len(words) > 2 else ""  # noqa: PLR2004 - deb, URI, suite


def _stanzas(content: str) -> Iterator[str]:
    """Stanzas of deb822 (sources.list(5)) as lines."""
    lines = [line for line in content.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            key.lower(): " ".join(value.split())
            for key, value in re.findall(r"(?m)^([A-Za-z-]+):((?:.*\n?)(?:^[ \t].*\n?)*)", stanza)
        }
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            yield from _lines(fields)


def _lines(fields: dict[str, str]) -> Iterator[str]:
    key = fields.get("signed-by", "")
    if " " in key:
        raise BuildError("An apt source has its key in it; put the key into a file of its own.")
    option = f"[signed-by={key}] " if key else ""
    for uri in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            yield f"deb {option}{uri} {suite} {fields.get('components', '')}"
