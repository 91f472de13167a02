# SPDX-License-Identifier: Apache-2.0
"""The network as a real kernel and real programs see it, without a VM."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.domain.egress.relay import HostOverride
from bbox_server.domain.egress.rule import HostRule
from bbox_server.infra.process.capture import Completed, run
from bbox_server.infra.process.command import Command
from tests.infra.egress import kernel_guest
from tests.infra.egress.https_files import https_files, make_certificate
from tests.infra.egress.network import World, server
from tests.infra.egress.test_process_relay import running

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK),
        reason="a TAP device in a network namespace needs root and /dev/net/tun",
    ),
]

FILES = "files.test"
ECHO = "echo.test"
TOOLS_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

TRANSFER = f"""
import hashlib, os, socket, threading
def one(size):
    connection = socket.create_connection(("{ECHO}", 7000))
    data = os.urandom(size)
    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    sending = threading.Thread(target=send)
    sending.start()
    got = hashlib.sha256()
    while piece := connection.recv(1 << 20):
        got.update(piece)
    assert got.digest() == hashlib.sha256(data).digest()
one(32 << 20)
threads = [threading.Thread(target=one, args=(1 << 20,)) for _ in range(32)]
failures = []
threading.excepthook = failures.append
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
"""

PROBE = """
import errno, socket, sys
def outcome(host, port):
    try:
        socket.create_connection((host, port), 5).close()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "connected"
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    print(target, outcome(host, int(port)))
"""


@dataclass(frozen=True)
class Guest:
    socket: Path
    certificate: Path
    files: Path
    events: list[EgressEvent]

    async def run(self, *argv: str) -> Completed:
        env = {
            "PATH": TOOLS_PATH,
            "HOME": str(self.files.parent),
            "GIT_SSL_CAINFO": str(self.certificate),
            "NODE_EXTRA_CA_CERTS": str(self.certificate),
        }
        guest = (sys.executable, kernel_guest.__file__, str(self.socket))
        return await run(Command(argv=("unshare", "--net", "--mount", *guest, *argv), env=env))

    async def check(self, *argv: str) -> str:
        completed = await self.run(*argv)
        assert completed.exit_code == 0, completed.errors.decode()
        return completed.output.decode()

    def blocked(self) -> list[tuple[str | None, int, BlockReason | None]]:
        kind = EgressEventKind.BLOCKED
        return [(one.host, one.port, one.reason) for one in self.events if one.kind is kind]


@pytest.fixture
async def guest(sandbox_dir: Path) -> AsyncIterator[Guest]:
    files = sandbox_dir / "files"
    files.mkdir()
    certificate = make_certificate(sandbox_dir, FILES)
    events: list[EgressEvent] = []
    async with server() as echo_port:
        with https_files(files, certificate) as files_port:
            world = World(
                rules=(
                    HostRule(name=FILES, ports=(443,), allow_private=True),
                    HostRule(name=ECHO, ports=(7000,), allow_private=True),
                    HostRule(name="rebind.test", ports=(443,)),
                ),
                overrides=(
                    HostOverride(name=FILES, address="127.0.0.1", port=files_port),
                    HostOverride(name=ECHO, address="127.0.0.1", port=echo_port),
                    HostOverride(name="rebind.test", address="127.0.0.1"),
                ),
            )
            async with running(sandbox_dir, world, events):
                yield Guest(sandbox_dir / "net", certificate, files, events)


async def test_much_data_and_thirty_two_connections_arrive_whole(guest: Guest) -> None:
    await guest.check(sys.executable, "-c", TRANSFER)


async def test_what_is_not_allowed_is_refused_at_once(guest: Guest) -> None:
    targets = ("evil.test:443", f"{FILES}:22", "1.1.1.1:443", "rebind.test:443", f"{ECHO}:7000")
    lines = (await guest.check(sys.executable, "-c", PROBE, *targets)).splitlines()
    assert lines == [
        *(f"{target} ECONNREFUSED" for target in targets[:-1]),
        f"{ECHO}:7000 connected",
    ]
    assert set(guest.blocked()) == {
        ("evil.test", 443, BlockReason.HOST_NOT_IN_PROFILE),
        (FILES, 22, BlockReason.PORT_NOT_ALLOWED),
        (None, 443, BlockReason.DIRECT_IP),
        ("rebind.test", 443, BlockReason.RESOLVES_TO_PRIVATE),
    }


async def test_git_clones_over_https(guest: Guest) -> None:
    make_repository(guest.files / "project.git")
    target = guest.files.parent / "clone"
    await guest.check("git", "clone", "-q", f"https://{FILES}/project.git", str(target))
    assert (target / "README").read_text() == "Read me.\n"


def make_repository(bare: Path) -> None:
    source = bare.parent.parent / "source"
    source.mkdir()
    (source / "README").write_text("Read me.\n")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for argv in (
        ("git", "init", "-q", str(source)),
        ("git", "-C", str(source), "add", "README"),
        ("git", "-C", str(source), *identity, "commit", "-q", "-m", "First"),
        ("git", "clone", "-q", "--bare", str(source), str(bare)),
        ("git", "-C", str(bare), "update-server-info"),
    ):
        subprocess.run(argv, check=True)


def make_wheel(files: Path) -> None:
    index = files / "simple" / "parcel"
    index.mkdir(parents=True)
    name = "parcel-1.0-py3-none-any.whl"
    info = "parcel-1.0.dist-info"
    with zipfile.ZipFile(index / name, "w") as wheel:
        wheel.writestr("parcel.py", "ARRIVED = True\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"parcel.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    (index / "index.html").write_text(f'<!doctype html><a href="{name}">{name}</a>')


@pytest.mark.skipif(shutil.which("pip") is None, reason="pip is not installed")
async def test_pip_installs_over_https(guest: Guest) -> None:
    make_wheel(guest.files)
    target = guest.files.parent / "installed"
    words = ("--isolated", "install", "-q", "--root-user-action=ignore", "--target", str(target))
    trust = ("--cert", str(guest.certificate), "--index-url", f"https://{FILES}/simple")
    await guest.check("pip", *words, *trust, "parcel")
    assert (target / "parcel.py").read_text() == "ARRIVED = True\n"


def make_npm_package(files: Path) -> None:
    source = files.parent / "package.json"
    source.write_text(json.dumps({"name": "parcel", "version": "1.0.0"}))
    archive = files / "parcel-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source, "package/package.json")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    dist = {"tarball": f"https://{FILES}/{archive.name}", "integrity": f"sha512-{digest}"}
    version = {"name": "parcel", "version": "1.0.0", "dist": dist}
    document = {"name": "parcel", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    (files / "parcel").write_text(json.dumps(document))


@pytest.mark.skipif(shutil.which("npm", path=TOOLS_PATH) is None, reason="npm is not installed")
async def test_npm_installs_over_https(guest: Guest) -> None:
    make_npm_package(guest.files)
    target = guest.files.parent / "installed"
    target.mkdir()
    words = ("install", "--no-audit", "--no-fund", "--prefix", str(target))
    await guest.check("npm", *words, f"--registry=https://{FILES}/", "parcel")
    installed = json.loads((target / "node_modules/parcel/package.json").read_text())
    assert installed["version"] == "1.0.0"
