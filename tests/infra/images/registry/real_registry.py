# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry on the loopback, and what pushes to it."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bbox_server.infra.process.programs import find_program
from tests.infra.images import oci

USER = "somebody"
PASSWORD = "secret"  # noqa: S105 (a test's)
# bcrypt of it, which docker-registry asks for.
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
_START_S = 10.0
JSON_TYPES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
}


@dataclass(frozen=True)
class RealRegistry:
    """A registry that runs; `address` is HOST:PORT."""

    address: str
    has_login: bool = False

    def push(self, repository: str, layout: Path, tag: str = "latest") -> str:
        """Push what a layout's index has first; returns its digest."""
        index = json.loads((layout / "index.json").read_text())
        (descriptor,) = index["manifests"]
        self._push(repository, layout, descriptor, tag)
        return str(descriptor["digest"])

    def _push(
        self, repository: str, layout: Path, descriptor: dict[str, object], name: str
    ) -> None:
        content = _blob(layout, descriptor).read_bytes()
        document = json.loads(content)
        for each in document.get("manifests", []):
            self._push(repository, layout, each, each["digest"])
        blobs = [document["config"], *document["layers"]] if "config" in document else []
        for each in blobs:
            self._upload(repository, _blob(layout, each).read_bytes(), each["digest"])
        is_index = "manifests" in document
        self._send(
            f"{repository}/manifests/{name}",
            "PUT",
            content,
            oci.INDEX if is_index else oci.MANIFEST,
        )

    def _upload(self, repository: str, content: bytes, digest: str) -> None:
        place = self._send(f"{repository}/blobs/uploads/", "POST", b"")
        joint = "&" if "?" in place else "?"
        url = f"{place}{joint}digest={digest}"
        self._send(url, "PUT", content, "application/octet-stream")

    def _send(self, path: str, method: str, content: bytes, media_type: str = "") -> str:
        url = path if path.startswith("http") else f"http://{self.address}/v2/{path}"
        request = urllib.request.Request(url, content, method=method)  # noqa: S310 (loopback)
        if media_type:
            request.add_header("Content-Type", media_type)
        if self.has_login:
            request.add_header("Authorization", basic())
        with urllib.request.urlopen(request) as answer:  # noqa: S310 (loopback)
            return str(answer.headers.get("Location", ""))


def basic() -> str:
    return f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@contextmanager
def serve(directory: Path, *, has_login: bool = False) -> Iterator[RealRegistry]:
    """A registry with its files in a directory."""
    address = f"127.0.0.1:{_free_port()}"
    config: dict[str, object] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry")}},
        "http": {"addr": address},
        "log": {"level": "error", "accesslog": {"disabled": True}},
    }
    if has_login:
        (directory / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
    # JSON is YAML.
    (directory / "registry.yml").write_text(json.dumps(config))
    words = [find_program("docker-registry"), "serve", str(directory / "registry.yml")]
    environment = {"PATH": os.defpath, "OTEL_TRACES_EXPORTER": "none"}
    with (
        (directory / "registry.log").open("wb") as log,
        subprocess.Popen(words, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_for(address)
            yield RealRegistry(address=address, has_login=has_login)
        finally:
            process.kill()


def _wait_for(address: str) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/"):
                return
        except urllib.error.HTTPError:
            return  # it wants a login
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _blob(layout: Path, descriptor: dict[str, object]) -> Path:
    return layout / "blobs" / "sha256" / str(descriptor["digest"]).removeprefix("sha256:")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
