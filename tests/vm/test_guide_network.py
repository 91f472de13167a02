# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/guide/network.md, in an internet of two hosts."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from bbox_server.domain.config.problem import Layer
from bbox_server.domain.hostservice import HostService
from bbox_server.infra.config.decode import decode_config
from tests.unit.tracked_files import ROOT
from tests.vm.bbox_command import make_bbox
from tests.vm.guide_page import run_page
from tests.vm.small_internet import SmallInternet, small_internet

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces"),
]

PAGE: Final = "docs/guide/network.md"
CONFIG: Final = re.compile(
    r"^```yaml\n(# ~/\.config/broodbox/config\.yaml\n.*?)^```$", re.MULTILINE | re.DOTALL
)
TICKETS: Final = """
import http.server
class Tickets(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ticket 1: open\\n")
    log_message = lambda *_: None
http.server.HTTPServer(("127.0.0.1", 8080), Tickets).serve_forever()
"""


@contextmanager
def tickets(internet: SmallInternet) -> Iterator[None]:
    serving = subprocess.Popen([*internet.prefix, sys.executable, "-c", TICKETS])
    try:
        probe = [*internet.prefix, "curl", "-s", "http://127.0.0.1:8080/"]
        deadline = time.monotonic() + 20
        while subprocess.run(probe, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
    finally:
        serving.kill()
        serving.wait()


def test_the_guide_shows_what_happens(sandbox_dir: Path, tmp_path: Path) -> None:
    (config,) = CONFIG.findall((ROOT / PAGE).read_text())
    layer = decode_config(config.encode(), layer=Layer.GLOBAL, file="f")
    assert (layer.findings, layer.config.network.services) == (
        (),
        (HostService(name="tickets", port=8080),),
    )
    project = sandbox_dir / "project"
    project.mkdir()
    (project / "README").write_text("An example.\n")
    with small_internet(tmp_path) as internet, tickets(internet):
        bbox = make_bbox(sandbox_dir, {"SSL_CERT_FILE": str(internet.certificates)})
        path = sandbox_dir / "config/broodbox/config.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(config)
        wrong = run_page(PAGE, project, bbox.env, prefix=internet.prefix)
    assert wrong == "", wrong
