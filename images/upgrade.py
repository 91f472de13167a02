# SPDX-License-Identifier: Apache-2.0
"""`python -m images.upgrade [--write]`: agents' newest versions that are seven days old.

The registries are those of the machine's own npm and of the project's uv.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from images.command import call
from images.npm import npm_program
from images.pins import NPM_AGENTS, PINS, BuildError, read_document
from images.wheels import PYTHON
from setup.environment import UV, uv_environment

# A release that is bad or hostile is usually withdrawn within days.
AGE: Final = timedelta(days=7)
_NUMBERS: Final = re.compile(r"\d+\.\d+\.\d+")


def main(argv: list[str]) -> int:
    """Show what is newer; --write puts what comes from npm into pins.yaml."""
    document = read_document()
    text = PINS.read_text()
    try:
        for agent in NPM_AGENTS:
            text = _npm(agent, document[agent], text, writes=argv == ["--write"])
        _hermes(document["hermes"])
    except BuildError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    if argv == ["--write"]:
        PINS.write_text(text)
    return 0


def aged(times: Mapping[str, str], suffix: str, now: datetime) -> set[str]:
    """Plain versions that are old enough, of a registry's `time`; `suffix` is cut off."""
    found = set()
    for release, at in times.items():
        version = release.removesuffix(suffix) if suffix else release
        is_plain = release.endswith(suffix) and _NUMBERS.fullmatch(version)
        if is_plain and now - datetime.fromisoformat(at) >= AGE:
            found.add(version)
    return found


def newest(versions: Iterable[str]) -> str:
    """The highest of plain versions; empty without any."""
    return max(versions, key=lambda text: tuple(map(int, text.split("."))), default="")


def rewritten(text: str, agent: str, pins: Mapping[str, str]) -> str:
    """The pins' text with other values in one agent's block. Raises: BuildError."""
    begin = text.find(f"\n{agent}:\n") + 1
    if not begin:
        raise BuildError(f"{PINS.name} has no {agent}.")
    end = text.find("\n\n", begin)
    block, rest = (text[begin:], "") if end < 0 else (text[begin:end], text[end:])
    for old, new in pins.items():
        if old not in block:
            raise BuildError(f"{PINS.name} has no {old} for {agent}.")
        block = block.replace(old, new)
    return text[:begin] + block + rest


def _npm(agent: str, pinned: Mapping[str, Any], text: str, *, writes: bool) -> str:
    current = str(pinned["version"])
    common: set[str] | None = None
    places = {}
    for machine, pin in pinned["npm"].items():
        package, _, release = str(pin["name"]).rpartition("@")
        suffix = release.removeprefix(current)
        times = json.loads(call(npm_program(), "view", package, "time", "--json"))
        found = aged(times, suffix, datetime.now(UTC))
        common = found if common is None else common & found
        places[machine] = (package, suffix, str(pin["integrity"]))
    # What is pinned may be younger: nothing goes back.
    version = newest({*(common or ()), current})
    if version == current:
        print(f"{agent:<12} {current}: nothing newer")
        return text
    print(f"{agent:<12} {current} -> {version}")
    if not writes:
        return text
    pins = {f"version: {current}": f"version: {version}"}
    for package, suffix, integrity in places.values():
        name = f"{package}@{version}{suffix}"
        said = call(npm_program(), "view", name, "dist.integrity", "--json")
        pins |= {f"{package}@{current}{suffix}": name, integrity: str(json.loads(said))}
    return rewritten(text, agent, pins)


def _hermes(pinned: Mapping[str, Any]) -> None:
    """Its wheels are many: they are shown, and pinned by hand."""
    requirement = Path(".cache/hermes.in")
    requirement.write_text(f"{pinned['package']}\n")
    said = call(
        UV.absolute(),
        *("pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate"),
        *("--python-version", PYTHON, "--exclude-newer", "7 days", requirement),
        env=uv_environment(),
    )
    version = said.strip().rpartition("==")[2]
    current = str(pinned["version"])
    told = "nothing newer" if version == current else f"{version} is there; pin its wheels by hand"
    print(f"{'hermes':<12} {current}: {told}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
