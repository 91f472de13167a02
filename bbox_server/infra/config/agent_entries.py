# SPDX-License-Identifier: Apache-2.0
"""Agents of the user's own in their config file, and in files of their own."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from typing_extensions import override

from bbox_server.domain.agent import AgentName, agent_name
from bbox_server.domain.config.custom_agent import custom_faults
from bbox_server.domain.config.entries import AgentEntries, AgentEntry, Manifest, Written
from bbox_server.domain.config.problem import FindingKind, Layer
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.agent_text import AGENTS, NoPlaceError, with_agent
from bbox_server.infra.config.decode import decode_config
from bbox_server.infra.config.reader import UnreadableError, read_small
from bbox_server.infra.config.replacing import DIRECTORY_MODE, replace_config

_CORRECT: Final = "Correct it; docs/guide/agents.md has the keys."

_STARTER: Final = """\
# An agent of your own: put this into {path}, without the `#`.
# agents:
#   {name}:
#     image: ghcr.io/acme/{name}:latest      # or oci:DIRECTORY, docker-archive:FILE
#     command: [{name}, --yes]               # the program and its words
#     description: what it is for
#     env_forward: [ACME_*]                  # variables of this machine that it may see
#     env_required: [ACME_TOKEN]             # without these it is not started
#     egress_hosts:
#       standard:                            # all that it may reach in this profile
#         - {{name: api.example.com, ports: [443]}}
#     memory: 4g
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAgentEntries(AgentEntries):
    """Entries of one file, written under a lock beside it (compat CLI-44)."""

    path: HostPath

    @override
    def get(self, name: AgentName) -> AgentEntry | None:
        try:
            found = yaml.safe_load(_content(Path(self.path))) or {}
        except yaml.YAMLError as error:
            raise _wrong(self.path, "it is no YAML") from error
        agents = found.get(AGENTS) if isinstance(found, dict) else None
        entry = agents.get(name) if isinstance(agents, dict) else None
        return entry if isinstance(entry, dict) else None

    @override
    def put(self, name: AgentName, entry: AgentEntry, *, replace: bool) -> Written:
        path = Path(self.path).resolve()
        try:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            with _locked(path):
                text = _content(path)
                is_there = self.get(name) is not None
                if is_there and not replace:
                    raise _exists(name)
                changed = with_agent(text, name, entry)
                _check(changed.encode(), name, str(path))
                replace_config(path, changed)
        except (NoPlaceError, yaml.YAMLError) as error:
            cause = "agents is not written one below the other, or it is no YAML"
            raise _wrong(self.path, cause) from error
        except OSError as error:
            raise BboxError(
                ErrorCode.DIRECTORY_UNUSABLE,
                cause=f"{escape_text(self.path)} can't be written: {error.strerror}.",
                remediation="Choose another place with --config, or correct the directory's mode.",
            ) from error
        return Written(path=HostPath(str(path)), replaced=is_there)

    @override
    def read(self, path: HostPath, name: AgentName | None) -> Manifest:
        try:
            content = read_small(Path(path), follow_links=True)
        except UnreadableError as error:
            raise _unreadable(path, str(error)) from error
        if content is None:
            raise _unreadable(path, "there is no such file")
        try:
            found = yaml.safe_load(content)
        except yaml.YAMLError as error:
            raise _unreadable(path, " ".join(str(error).split())) from error
        if not isinstance(found, dict) or not isinstance(found.get("name"), str):
            raise _unreadable(path, "a mapping with a name is needed")
        own = name or agent_name(found.pop("name"))
        found.pop("name", None)
        _check_manifest(content, own, path)
        return Manifest(name=own, entry=found)

    @override
    def text(self, name: AgentName, entry: AgentEntry) -> str:
        return yaml.safe_dump(
            {"name": str(name), **entry}, sort_keys=False, allow_unicode=True, width=96
        )

    @override
    def starter(self, name: AgentName) -> str:
        return _STARTER.format(name=name, path=escape_text(self.path))


def _check_manifest(content: bytes, name: AgentName, path: HostPath) -> None:
    """Against the keys of the config, at the places of the file itself."""
    # Two columns to the right and two lines down: so much goes off again.
    head = f"{AGENTS}:\n  {yaml.safe_dump(str(name)).splitlines()[0]}:\n"
    body = "".join(f"    {line}\n" for line in _without_name(content).splitlines())
    _check((head + body).encode(), name, str(path), lines=2, columns=4)


def _without_name(content: bytes) -> str:
    """The name's line is left empty, so that the others stay where they are."""
    text = content.decode(errors="replace")
    lines = text.splitlines()
    root = yaml.compose(text, yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "name":
            for number in range(key.start_mark.line, value.end_mark.line + 1):
                lines[number] = ""
    return "\n".join(lines)


def _check(content: bytes, name: AgentName, file: str, *, lines: int = 0, columns: int = 0) -> None:
    """Raises: agent.invalid."""
    decoded = decode_config(content, layer=Layer.GLOBAL, file=file)
    found = [
        (one.path, one.text, one.origin.position)
        for one in decoded.findings
        if one.kind is FindingKind.INVALID
    ]
    prefix = (AGENTS, str(name))
    found += [
        ((*prefix, *fault.path), fault.text, decoded.positions.get((*prefix, *fault.path)))
        for fault in custom_faults(name, decoded.config.agent(name))
    ]
    said = []
    for path, text, position in found:
        at = f":{position.line - lines}:{position.column - columns}" if position else ""
        key = ".".join(map(str, path[2:] if path[:2] == prefix else path))
        said.append(escape_text(f"{file}{at}: {key or name}: {text}"))
    if said:
        raise BboxError(ErrorCode.AGENT_INVALID, cause="\n  ".join(said), remediation=_CORRECT)


def _content(path: Path) -> str:
    try:
        return (read_small(path, follow_links=True) or b"").decode(errors="replace")
    except UnreadableError as error:
        raise _wrong(HostPath(str(path)), str(error)) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two programs that write at the same time do so one after the other."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _exists(name: AgentName) -> BboxError:
    return BboxError(
        ErrorCode.AGENT_EXISTS,
        cause=f"agent {name} is in the config already.",
        remediation="--force replaces its entry; `bbox agents export` shows it.",
    )


def _wrong(path: HostPath, why: str) -> BboxError:
    return BboxError(
        ErrorCode.CONFIG_INVALID,
        cause=f"{escape_text(path)}: {escape_text(why)}.",
        remediation="Correct the file; `bbox config validate` checks it.",
    )


def _unreadable(path: HostPath, why: str) -> BboxError:
    return BboxError(
        ErrorCode.AGENT_INVALID,
        cause=f"{escape_text(path)}: {escape_text(why)}.",
        remediation="Give a file as `bbox agents export` writes it.",
    )
