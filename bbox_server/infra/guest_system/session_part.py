# SPDX-License-Identifier: Apache-2.0
"""What one session adds to the guest system (guest/README.md, "The session's part")."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.vm import GuestConfig
from bbox_server.infra.guest_system.archive import (
    Entry,
    directory,
    format_archive,
    regular_file,
)

_HOSTNAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The login and the shell decide on these; PATH has its own rule.
_OWN_VARIABLES: Final = frozenset(
    {"BBOX", "HOME", "IFS", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "USER", "_"}
)
_NS_PER_S: Final = 1_000_000_000
_HOME: Final = "skeleton/home/sandbox"
# As umask 077 makes directories.
_PRIVATE: Final = 0o700

AGENT_ID: Final = 1000
"""User and group of the agent in the guest (guest/README.md)."""


def session_part(guest: GuestConfig) -> bytes:
    """The session's archive.

    Raises:
        ValueError: For a hostname that is none, and for a file that is not below the home.
    """
    if not _HOSTNAME.fullmatch(guest.hostname):
        raise ValueError(f"{guest.hostname!r} is no hostname")
    return format_archive((*_system(guest), *_home(guest.home)))


def _system(guest: GuestConfig) -> Iterator[Entry]:
    identity, hostname = guest.identity, guest.hostname
    for path, text, mode in (
        ("bbox/env", _settings(guest), 0o600),
        ("bbox/host_key", identity.host_private_key, 0o600),
        # Read as the user who logs in.
        ("bbox/authorized_keys", identity.client_public_key.rstrip() + b"\n", 0o644),
        ("skeleton/etc/hostname", f"{hostname}\n".encode(), 0o644),
        ("skeleton/etc/hosts", f"127.0.0.1 localhost {hostname}\n".encode(), 0o644),
        ("tools/image.env", _image_environment(guest.image_env), 0o644),
    ):
        yield regular_file(path, text, mode)
    if guest.trusted_certificates:
        yield regular_file("tools/ca-certificates.crt", guest.trusted_certificates, 0o644)


def _home(files: tuple[GuestFile, ...]) -> Iterator[Entry]:
    """Lies over the image like the skeleton that it is part of: no command has to unpack it."""
    seen = {PurePosixPath()}
    for path, file in {file.path: file for file in files}.items():
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{path} is not below the home")
        for parent in reversed(path.parents):
            if parent not in seen:
                seen.add(parent)
                yield directory(f"{_HOME}/{parent}", _PRIVATE, AGENT_ID)
        yield regular_file(f"{_HOME}/{path}", file.content, file.mode, AGENT_ID)


def _settings(guest: GuestConfig) -> bytes:
    return (
        f"BBOX_HOSTNAME={guest.hostname}\n"
        "BBOX_SHARE=virtiofs\n"
        f"BBOX_TIME={guest.time_ns // _NS_PER_S}\n"
        f"BBOX_TMP_MIB={max(0, guest.tmp_size_mib)}\n"
        f"BBOX_WORKDIR={_quoted(guest.directory)}\n"
    ).encode(errors="surrogateescape")


def _image_environment(variables: Mapping[str, str]) -> bytes:
    """A shell text that sets what the client has not set already."""
    lines = [
        f'[ "${{{name}+x}}" ] || export {name}={_quoted(value)}\n'
        for name, value in variables.items()
        if _VARIABLE.fullmatch(name) and name not in _OWN_VARIABLES and "\0" not in value
    ]
    path = variables.get("PATH", "")
    if path and "\0" not in path:
        lines.append(f"image_path={_quoted(path)}\n")
    return "".join(lines).encode(errors="surrogateescape")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
