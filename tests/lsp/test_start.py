# SPDX-License-Identifier: Apache-2.0
"""From the server's start to its answer of `initialize`."""

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bbox_server.wire.lifecycle import PROTOCOL_VERSION
from tests.lsp.raw_client import INITIALIZE, RawClient, raw_client

SERVER = "from bbox_server.bootstrap.commands import lsp; lsp()"
# Of ours, and small: no reason to wait for it.
LIGHT = {"bbox_server", "typing_extensions"}


def packages(import_times: str) -> set[str]:
    """The packages in what -X importtime prints, without Python's own."""
    names = {line.rpartition("|")[2].strip() for line in import_times.splitlines() if "|" in line}
    found = {name.partition(".")[0] for name in names}
    return {name for name in found if not name.startswith("_")} - sys.stdlib_module_names


def test_initialize_is_answered_with_no_package_but_pygls_and_its_own() -> None:
    python = (sys.executable, "-X", "importtime", "-c")
    bare = subprocess.run(
        [*python, "import pygls.lsp.server"], capture_output=True, text=True, check=True
    )
    with (
        tempfile.TemporaryFile() as log,
        raw_client(*python, SERVER, "--stdio", log=log) as client,
    ):
        assert "result" in client.initialize()
        assert client.leave() == 0
        log.seek(0)
        imported = packages(log.read().decode())
    assert "pygls" in imported
    assert imported - packages(bare.stderr) - LIGHT - {"imported package"} == set()


def test_initialize_says_the_version() -> None:
    with raw_client() as client:
        offered = client.initialize()["result"]["capabilities"]
    assert offered["experimental"]["bbox"]["protocolVersion"] == PROTOCOL_VERSION


@pytest.mark.parametrize(
    ("bbox", "code", "words"),
    [
        ({"protocolVersion": PROTOCOL_VERSION + 1}, -32803, "Update the older one"),
        ({"protocolVersion": "1"}, -32602, "bbox.protocolVersion: a number is needed"),
        ({}, -32602, "bbox.protocolVersion: a number is needed"),
        (
            {"protocolVersion": PROTOCOL_VERSION, "surprise": 1, "more": 2},
            -32602,
            "bbox.more: unknown; initializationOptions.bbox.surprise: unknown",
        ),
    ],
    ids=["newer", "text", "none", "unknown fields"],
)
def test_a_version_that_does_not_match_is_told_and_can_be_mended(
    bbox: dict[str, object], code: int, words: str
) -> None:
    with raw_client() as client:
        answer = client.ask("initialize", {**INITIALIZE, "initializationOptions": {"bbox": bbox}})
        assert answer["error"]["code"] == code
        assert words in answer["error"]["message"]
        if code == -32803:
            assert answer["error"]["data"]["code"] == "protocol.mismatch"
        good = {"bbox": {"protocolVersion": PROTOCOL_VERSION}, "other": True}
        answer = client.ask("initialize", {**INITIALIZE, "initializationOptions": good})
        assert "result" in answer


def test_a_socket_carries_the_same(tmp_path: Path) -> None:
    path = tmp_path / "editor"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(20)
        words = [sys.executable, "-m", "tests.lsp.fake_server", "--socket", str(path)]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL) as server:
            connection, _ = listener.accept()
            with connection:
                client = RawClient(server, connection.makefile("wb"), connection.makefile("rb"))
                assert "result" in client.initialize()
                assert client.ask("bbox/agents/list", {})["result"]["agents"]
                assert client.leave() == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--socket", "/nowhere/editor"], 1, "/nowhere/editor"),
        ([], 2, "--stdio"),
        (["--stdio", "--tcp"], 2, "--tcp"),
    ],
    ids=["no socket", "no way", "unknown option"],
)
def test_a_start_that_fails_says_why(words: list[str], code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.lsp.fake_server", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stderr) == (code, True)
    assert "Traceback" not in done.stderr
