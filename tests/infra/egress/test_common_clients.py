# SPDX-License-Identifier: Apache-2.0
"""What developers' programs do to a network, through the relay and a real kernel."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbox_server.domain.egress.relay import HostOverride
from bbox_server.domain.egress.rule import HostRule
from tests.infra.egress.git_host import git_host
from tests.infra.egress.https_files import https_files, make_certificate
from tests.infra.egress.network import World
from tests.infra.egress.test_kernel_guest import TOOLS_PATH, Guest, make_repository
from tests.infra.egress.test_process_relay import running
from tests.infra.egress.web_host import BLOCK, EventSource, block_digest, web_host

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK),
        reason="a TAP device in a network namespace needs root and /dev/net/tun",
    ),
]

FILES, WEB, GIT, HTTP2 = "files.test", "web.test", "git.test", "http2.test"
# A gigabyte goes through in `make soak`.
BLOCKS = (64 << 20) // len(BLOCK)

NODE = f"""
const digest = async (bytes) =>
  Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
const answers = await Promise.all(
  Array.from({{ length: 32 }}, () => fetch("https://{WEB}/give/64").then((r) => r.arrayBuffer())),
);
console.log(new Set(await Promise.all(answers.map(digest))).size, await digest(answers[0]));
const body = Buffer.alloc(3_000_000, "x");
const taken = await fetch("https://{WEB}/take", {{ method: "PUT", body }});
console.log((await taken.text()) === (await digest(body)));
const socket = new WebSocket("wss://{WEB}/talk");
socket.binaryType = "arraybuffer";
await new Promise((open) => (socket.onopen = open));
const heard = [];
const said = [...Array(100).keys()].map(String);
const big = Buffer.alloc(1 << 20, "y");
await new Promise((done) => {{
  socket.onmessage = (event) => {{
    heard.push(event.data);
    if (heard.length > said.length) done();
  }};
  for (const word of said) socket.send(word);
  socket.send(big);
}});
console.log(heard.slice(0, 100).join() === said.join(), Buffer.from(heard[100]).equals(big));
socket.close();
const events = await fetch("https://{WEB}/events");
const reader = events.body.pipeThrough(new TextDecoderStream()).getReader();
console.log((await reader.read()).value.trim());
process.stderr.write("waiting\\n");
console.log((await reader.read()).value.trim());
"""


@dataclass(frozen=True)
class Internet:
    """A guest, and what of the hosts it reaches a test has to know."""

    guest: Guest
    events: EventSource
    key: Path


@contextmanager
def http2_host(certificate: Path) -> Iterator[int]:
    program = Path(__file__).with_name("http2_host.mjs")
    node = shutil.which("node", path=TOOLS_PATH)
    assert node is not None
    with subprocess.Popen(
        [node, str(program), str(certificate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as serving:
        assert serving.stdout is not None
        yield int(serving.stdout.readline())
        serving.kill()


def world(**ports: int) -> World:
    names = {"files": (FILES, 443), "web": (WEB, 443), "git": (GIT, 22), "http2": (HTTP2, 443)}
    return World(
        rules=tuple(
            HostRule(name=name, ports=(port,), allow_private=True) for name, port in names.values()
        ),
        overrides=tuple(
            HostOverride(name=names[key][0], address="127.0.0.1", port=port)
            for key, port in ports.items()
        ),
    )


@pytest.fixture
async def internet(sandbox_dir: Path) -> AsyncIterator[Internet]:
    files, repositories = sandbox_dir / "files", sandbox_dir / "repositories"
    for directory in (files, repositories):
        directory.mkdir()
    certificate = make_certificate(sandbox_dir, FILES, WEB, HTTP2)
    key = sandbox_dir / "key"
    async with (
        web_host(certificate) as (web, events),
        git_host(repositories, key) as git,
    ):
        with https_files(files, certificate) as port, http2_host(certificate) as http2:
            async with running(sandbox_dir, world(files=port, web=web, git=git, http2=http2)):
                yield Internet(Guest(sandbox_dir / "net", certificate, files, []), events, key)


async def test_curl_uploads_downloads_and_speaks_http_2(internet: Internet) -> None:
    guest = internet.guest
    upload = guest.files.parent / "upload"
    upload.write_bytes(BLOCK * BLOCKS)
    curl = f"curl -fsS --cacert {guest.certificate}"
    streams = f"https://{HTTP2}/[1-32]"
    said = await guest.check(
        "sh", "-ec",
        f"{curl} -T {upload} https://{WEB}/take; echo\n"
        f"{curl} https://{WEB}/give/{BLOCKS} | sha256sum\n"
        f"{curl} --http2 -o /dev/null -w '%{{http_version}} %{{size_download}}\n' https://{HTTP2}/\n"
        f"{curl} --http2 -Z --parallel-max 32 {streams} | tr -d '\\n' | wc -c\n",
    )  # fmt: skip
    whole = block_digest(BLOCKS)
    ten_thousand_of_each = sum(len(f"/{number} ") for number in range(1, 33)) * 10_000
    assert said.split() == [whole, whole, "-", "2", "20000", str(ten_thousand_of_each)]


async def test_node_fetches_in_parallel_and_talks_over_a_websocket(internet: Internet) -> None:
    program = internet.guest.files.parent / "program.mjs"
    program.write_text(NODE)
    async with asyncio.TaskGroup() as group:
        checking = group.create_task(internet.guest.check("node", str(program)))
        # What the guest's kernel and the relay do with an idle connection takes a clock: test_flow.
        group.create_task(_later(internet.events))
    assert checking.result().splitlines() == [
        f"1 {block_digest(64)}",
        "true",
        "true true",
        "data: first",
        "data: second",
    ]


async def _later(events: EventSource) -> None:
    await events.asked.wait()
    events.next.set()


async def test_git_clones_and_pushes_over_ssh(internet: Internet) -> None:
    guest = internet.guest
    bare = guest.files.parent / "repositories" / "project.git"
    make_repository(bare)
    ssh = (
        f"ssh -i {internet.key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
        "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    )
    target = guest.files.parent / "clone"
    await guest.check(
        "env", f"GIT_SSH_COMMAND={ssh}", "sh", "-ec",
        f"git clone -q git@{GIT}:project.git {target}; cd {target}; cat README\n"
        "head -c 3000000 /dev/urandom >blob; git add blob\n"
        "git -c user.name=t -c user.email=t@example.com commit -qm blob; git push -q",
    )  # fmt: skip
    for file in ("README", "blob"):
        assert pushed(bare, file) == (target / file).read_bytes()


def pushed(bare: Path, file: str) -> bytes:
    argv = ["git", "-C", str(bare), "show", f"HEAD:{file}"]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def make_apt_source(files: Path) -> str:
    """A repository of one package, as plain files; its name and version."""
    root = files.parent / "parcel"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: parcel\nVersion: 1.0\nArchitecture: all\nMaintainer: T <t@example.com>\n"
        "Description: arrived\n"
    )
    package = files / "parcel_1.0_all.deb"
    subprocess.run(["dpkg-deb", "-b", str(root), str(package)], check=True, capture_output=True)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    control = (root / "DEBIAN/control").read_text()
    (files / "Packages").write_text(
        f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
    )
    return digest


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this is no Debian")
async def test_apt_updates_and_downloads_over_https(internet: Internet) -> None:
    guest = internet.guest
    digest = make_apt_source(guest.files)
    own = guest.files.parent / "apt"
    for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "down"):
        (own / name).mkdir(parents=True)
    (own / "status").touch()
    (own / "sources.list").write_text(f"deb [trusted=yes] https://{FILES}/ ./\n")
    settings = {
        "Dir::State": f"{own}/state", "Dir::State::status": f"{own}/status",
        "Dir::Cache": f"{own}/cache", "Dir::Etc": f"{own}/etc",
        "Dir::Etc::sourcelist": f"{own}/sources.list", "Dir::Etc::sourceparts": "-",
        "Acquire::https::CAInfo": str(guest.certificate), "APT::Sandbox::User": "root",
    }  # fmt: skip
    options = " ".join(f"-o {name}={value}" for name, value in settings.items())
    await guest.check(
        "sh",
        "-ec",
        f"cd {own}/down; apt-get -q {options} update; apt-get {options} download parcel",
    )
    (package,) = (own / "down").iterdir()
    assert hashlib.sha256(package.read_bytes()).hexdigest() == digest


async def test_python_keeps_thirty_two_connections_to_one_host(internet: Internet) -> None:
    program = (
        "import hashlib, http.client, ssl, threading\n"
        f"context = ssl.create_default_context(cafile='{internet.guest.certificate}')\n"
        "found, all_open = set(), threading.Barrier(32)\n"
        "def one():\n"
        f"    connection = http.client.HTTPSConnection('{WEB}', context=context)\n"
        "    connection.connect()\n"
        "    all_open.wait(60)\n"
        "    connection.request('GET', '/give/16')\n"
        "    found.add(hashlib.sha256(connection.getresponse().read()).hexdigest())\n"
        "threads = [threading.Thread(target=one) for _ in range(32)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(*found)\n"
    )
    assert await internet.guest.check(sys.executable, "-c", program) == block_digest(16) + "\n"
