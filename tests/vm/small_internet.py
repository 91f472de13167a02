# SPDX-License-Identifier: Apache-2.0
"""An internet of two hosts: where bbox runs, and a server with public names and addresses.

Two network namespaces with a cable between them. The names are in an /etc/hosts that only the first
one has. Only root may make that.
"""

import functools
import hashlib
import http.server
import io
import json
import ssl
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from tests.infra.credential.authority import make_certificate
from tests.vm.bbox_command import make_repository

GIT_HOST: Final = "github.com"
PYTHON_HOST: Final = "packages.python.test"
NODE_HOST: Final = "packages.node.test"
HOSTS: Final = (GIT_HOST, PYTHON_HOST, NODE_HOST)
# Neither private nor reserved: the relay refuses both. No packet leaves the namespaces.
CLIENT: Final = "20.0.0.1"
SERVER: Final = "20.0.0.2"
CERTIFICATES: Final = "ca.pem"


@dataclass(frozen=True, kw_only=True)
class SmallInternet:
    """The two hosts.

    Attributes:
        prefix: Runs a program on the first one.
        certificates: What signs the server's names.
    """

    prefix: tuple[str, ...]
    certificates: Path


@contextmanager
def small_internet(directory: Path) -> Iterator[SmallInternet]:
    """The two hosts, with a git repository, a Python and a Node package at the server."""
    site = directory / "site"
    make_git(site / "tiny.git", directory)
    make_python(site)
    make_node(site)
    certificates, _ = make_certificate(directory, HOSTS)
    hosts = directory / "hosts"
    lines = [f"{SERVER} {name}" for name in HOSTS]
    hosts.write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
    with ExitStack() as stack:
        client = stack.enter_context(_host(f"mount --bind '{hosts}' /etc/hosts", "--mount"))
        server = stack.enter_context(_host("true"))
        _connect(client, server)
        serving = subprocess.Popen(
            [*_enter(server), sys.executable, "-m", __name__, str(site), str(directory)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        stack.callback(_end, serving)
        assert serving.stdout is not None
        assert serving.stdout.readline() == b"serving\n"
        yield SmallInternet(prefix=_enter(client, "--mount"), certificates=certificates)


@contextmanager
def _host(setup: str, *namespaces: str) -> Iterator[int]:
    """A namespace, by the pid of who holds it open."""
    script = f"{setup} && ip link set lo up && echo there && exec sleep 1000"
    holder = subprocess.Popen(
        ["unshare", "--net", *namespaces, "sh", "-c", script], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"there\n"
        yield holder.pid
    finally:
        _end(holder)


def _enter(pid: int, *namespaces: str) -> tuple[str, ...]:
    return ("nsenter", f"--target={pid}", "--net", *namespaces, "--")


def _connect(client: int, server: int) -> None:
    cable = ("type", "veth", "peer", "name", "eth0", "netns", str(server))
    subprocess.run(["ip", "link", "add", "eth0", "netns", str(client), *cable], check=True)
    for pid, address in ((client, CLIENT), (server, SERVER)):
        for words in (["address", "add", f"{address}/24", "dev"], ["link", "set", "up", "dev"]):
            subprocess.run([*_enter(pid), "ip", *words, "eth0"], check=True)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def make_git(target: Path, directory: Path) -> None:
    """A bare repository that git's clients read as files (gitprotocol-http, dumb clients)."""
    source = directory / "tiny"
    source.mkdir()
    (source / "README").write_text("cloned\n")
    make_repository(source)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(source), str(target)], check=True)
    subprocess.run(["git", "update-server-info"], cwd=target, check=True)


def make_python(site: Path) -> None:
    """An index (PEP 503) with one wheel (PEP 427)."""
    name = "tiny-1.0-py3-none-any.whl"
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "WORD = 'imported'\n")
        info = "tiny-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/RECORD,,\n")
    index = site / "simple/tiny"
    index.mkdir(parents=True)
    (index / "index.html").write_text(f'<a href="/files/{name}">{name}</a>\n')
    (site / "files").mkdir()
    (site / "files" / name).write_bytes(wheel.getvalue())


def make_node(site: Path) -> None:
    """A registry with one package, and its archive."""
    package = {"name": "tiny-node", "version": "1.0.0", "main": "main.js"}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in (
            ("package.json", json.dumps(package)),
            ("main.js", "module.exports = 'required'\n"),
        ):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    packed = archive.getvalue()
    digest = hashlib.sha1(packed).hexdigest()  # noqa: S324 - npm's field, checked by npm alone
    dist = {"tarball": f"https://{NODE_HOST}/tiny-node-1.0.0.tgz", "shasum": digest}
    versions = {"1.0.0": {**package, "dist": dist}}
    document = {"name": "tiny-node", "dist-tags": {"latest": "1.0.0"}, "versions": versions}
    (site / "tiny-node").write_text(json.dumps(document))
    (site / "tiny-node-1.0.0.tgz").write_bytes(packed)


def main(site: str, keys: str) -> None:
    """Serve files, all names at one address. A program of its own, inside the namespace."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(keys, CERTIFICATES), Path(keys, "key.pem"))
    handler = functools.partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer((SERVER, 443), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        server.serve_forever()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
