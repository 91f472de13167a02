# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.ssh_agent import KnownHost, SshHost, lend, ssh_hosts

GITHUB = SshHost(user="git", name="github.com")
KNOWN = (KnownHost(host=GITHUB, line="ssh-ed25519 AAAA", key=b"key"),)
SOCKET = {"SSH_AUTH_SOCK": "/run/agent"}


@pytest.mark.parametrize(
    ("remote", "host"),
    [
        ("git@github.com:o/r.git", GITHUB),
        ("git@GitHub.com:o/r.git", GITHUB),
        ("ssh://git@github.com/o/r.git", GITHUB),
        ("ssh://me@e.org:2222/r", SshHost(user="me", name="e.org", port=2222)),
        ("git+ssh://git@github.com/o/r.git", GITHUB),
        ("https://github.com/o/r.git", None),
        ("/srv/git@host:x", None),
        ("ssh://git@host:99999/r", None),
        ("ssh://git@host:0/r", None),
        ("git@-oProxyCommand=evil:x", None),
        ("ssh://-o@host/r", None),
        ("ssh://git@-o/r", None),
        ("github.com:o/r.git", None),
        ("", None),
    ],
)
def test_hosts_of_remotes_are_found(remote: str, host: SshHost | None) -> None:
    assert ssh_hosts([remote, remote]) == (() if host is None else (host,))


def test_known_hosts_name_the_port_where_it_is_another() -> None:
    forge = SshHost(user="git", name="forge.example.org", port=2222)
    known = (*KNOWN, KnownHost(host=forge, line="ssh-rsa BBBB", key=b"other"))
    lent = lend([GITHUB, forge], known, SOCKET)
    assert lent.known_hosts == (
        "github.com ssh-ed25519 AAAA\n[forge.example.org]:2222 ssh-rsa BBBB\n"
    )


@pytest.mark.parametrize(
    ("hosts", "known", "environ", "cause"),
    [
        ([], (), SOCKET, "No remote"),
        ([GITHUB], KNOWN, {}, "SSH_AUTH_SOCK"),
        ([GITHUB], KNOWN, {"SSH_AUTH_SOCK": "relative"}, "SSH_AUTH_SOCK"),
        ([GITHUB], (), SOCKET, "known_hosts has no key of github.com"),
    ],
)
def test_an_agent_without_a_use_is_said(
    hosts: list[SshHost], known: tuple[KnownHost, ...], environ: dict[str, str], cause: str
) -> None:
    with pytest.raises(BboxError) as caught:
        lend(hosts, known, environ)
    assert caught.value.code is ErrorCode.CREDENTIAL_MISSING
    assert cause in caught.value.cause
