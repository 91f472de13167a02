# SPDX-License-Identifier: Apache-2.0
"""What one session adds to the guest system (guest/README.md, "The session's part")."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bbox_server.domain.vm import GuestConfig
from bbox_server.infra.guest_system.archive import GuestFile, format_archive

_HOSTNAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The login and the shell decide on these; PATH has its own rule.
_OWN_VARIABLES: Final = frozenset(
    {"BBOX", "HOME", "IFS", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "USER", "_"}
)
_NS_PER_S: Final = 1_000_000_000


def session_part(guest: GuestConfig) -> bytes:
    """The session's archive. Raises: ValueError for a hostname that is none."""
    if not _HOSTNAME.fullmatch(guest.hostname):
        raise ValueError(f"{guest.hostname!r} is no hostname")
    return format_archive(_files(guest))


def _files(guest: GuestConfig) -> Iterator[GuestFile]:
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
        yield GuestFile(path=path, content=text, mode=mode)
    if guest.trusted_certificates:
        content = guest.trusted_certificates
        yield GuestFile(path="tools/ca-certificates.crt", content=content, mode=0o644)


def _settings(guest: GuestConfig) -> bytes:
    return (
        f"BBOX_HOSTNAME={guest.hostname}\n"
        "BBOX_SHARE=virtiofs\n"
        f"BBOX_TIME={guest.time_ns // _NS_PER_S}\n"
        f"BBOX_TMP_MIB={max(0, guest.tmp_size_mib)}\n"
    ).encode()


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
