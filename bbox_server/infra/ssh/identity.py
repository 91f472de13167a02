# SPDX-License-Identifier: Apache-2.0
"""A session's own SSH keys, without the half second that asyncssh takes to load."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bbox_server.domain.vm import ShellIdentity

KEY_TYPE: Final = "ssh-ed25519"


def new_identity() -> ShellIdentity:
    """A host's and a client's pair."""
    host, client = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    return ShellIdentity(
        host_private_key=_private(host),
        host_public_key=_public(host),
        client_private_key=_private(client),
        client_public_key=_public(client),
    )


def _private(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _public(key: Ed25519PrivateKey) -> bytes:
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return line + b" bbox\n"
