# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import asyncssh
import pytest

from bbox_server.domain.ssh_agent import KnownHost, SshHost
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command
from bbox_server.infra.ssh.known_hosts import UserKnownHosts

PLAIN = SshHost(user="git", name="forge.example.org")
OTHER_PORT = SshHost(user="git", name="forge.example.org", port=2222)


def a_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


async def find(file: Path, *hosts: SshHost) -> tuple[KnownHost, ...]:
    return await UserKnownHosts(files=(file.with_name("absent"), file)).find(hosts)


async def test_each_host_gets_its_own_keys(tmp_path: Path) -> None:
    first, second = a_key(), a_key()
    file = tmp_path / "known_hosts"
    file.write_text(
        f"forge.example.org {first} a comment\n[forge.example.org]:2222 {second}\n"
        f"elsewhere.example.org {a_key()}\n"
    )
    found = await find(file, PLAIN, OTHER_PORT)
    assert [(known.host.port, known.line) for known in found] == [(22, first), (2222, second)]
    assert found[0].key == asyncssh.import_public_key(first).public_data


async def test_hashed_names_are_found(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"forge.example.org {a_key()}\n")
    (await run(Command(argv=("ssh-keygen", "-q", "-H", "-f", str(file))))).check()
    assert "forge" not in file.read_text()
    assert len(await find(file, PLAIN)) == 1


async def test_revoked_keys_are_none(tmp_path: Path) -> None:
    key = a_key()
    file = tmp_path / "known_hosts"
    file.write_text(f"@revoked * {key}\nforge.example.org {key}\n")
    assert await find(file, PLAIN) == ()


@pytest.mark.parametrize("text", ["", "nonsense\n", "forge.example.org ssh-ed25519 AAAA\n", "\0"])
async def test_a_file_without_the_host_says_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    assert await find(file, PLAIN) == ()
