# SPDX-License-Identifier: Apache-2.0
"""npm, pip and git over https from the guest, and what is not allowed, as a user sees it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Finished, own_bbox
from tests.vm.small_internet import GIT_HOST, NODE_HOST, PYTHON_HOST, small_internet

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces"),
]

PYTHON_INDEX: Final = f"https://{PYTHON_HOST}/simple/"
NODE_REGISTRY: Final = f"https://{NODE_HOST}/"
CERTIFICATES: Final = "/run/bbox/ca-certificates.crt"
VARIABLES: Final = (
    "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)  # fmt: skip
FETCH: Final = f"""
cd ~ && git clone -q https://{GIT_HOST}/tiny.git && cat tiny/README
pip install -q --no-deps --index-url {PYTHON_INDEX} tiny
python3 -c 'import tiny; print(tiny.WORD)'
npm install --silent --no-audit --no-fund --registry {NODE_REGISTRY} tiny-node
node -p 'require("tiny-node")'
curl -sS -m 20 https://not-allowed.example/ || echo refused
curl -sS -m 20 https://20.0.0.2/ -k || echo refused
env
"""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A run that fetched from everywhere, and its events."""

    ran: Finished
    events: list[dict[str, Any]]

    def blocked(self, host: str) -> list[dict[str, Any]]:
        return [
            event
            for event in self.events
            if event["kind"] == "network.blocked" and event["host"] == host
        ]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fetched]:
    directory = tmp_path_factory.mktemp("net")
    workspace = directory / "work"
    workspace.mkdir()
    with small_internet(directory) as internet:
        env = {
            "SSL_CERT_FILE": str(internet.certificates),
            "PIP_INDEX_URL": PYTHON_INDEX,
            "NPM_CONFIG_REGISTRY": NODE_REGISTRY,
        }
        with own_bbox(env) as plain:
            bbox = replace(plain, prefix=(*internet.prefix, "env", f"--chdir={workspace}"))
            words = ("run", "--image", CODEX_IMAGE, "--", "bash", "-c", FETCH)
            ran = bbox.run(*words, cwd=workspace)
            assert ran.code == 0, ran.error
            lines = bbox.run("logs", "--json", cwd=workspace).out.splitlines()
            yield Fetched(ran=ran, events=[json.loads(line) for line in lines])


def test_git_pip_and_npm_fetch_what_is_allowed(fetched: Fetched) -> None:
    assert fetched.ran.code == 0, fetched.ran.error
    words = fetched.ran.out.splitlines()
    assert words[:3] == ["cloned", "imported", "required"], fetched.ran.error


def test_what_is_not_allowed_is_refused_and_told(fetched: Fetched) -> None:
    assert fetched.ran.out.splitlines()[3:5] == ["refused", "refused"]
    assert [event["reason"] for event in fetched.blocked("not-allowed.example")] == [
        "host-not-in-profile"
    ]
    addresses = [e for e in fetched.events if e["kind"] == "network.blocked" and not e["host"]]
    assert [event["address"] for event in addresses] == ["20.0.0.2"]


@pytest.mark.parametrize("host", [GIT_HOST, PYTHON_HOST, NODE_HOST])
def test_what_was_fetched_from_is_in_the_log(fetched: Fetched, host: str) -> None:
    opened = [e for e in fetched.events if e["kind"] == "network.open" and e["host"] == host]
    assert opened
    assert fetched.blocked(host) == []


def test_every_client_is_told_of_the_certificates(fetched: Fetched) -> None:
    env = dict(line.split("=", 1) for line in fetched.ran.out.splitlines()[5:] if "=" in line)
    assert {name: env.get(name) for name in VARIABLES} == dict.fromkeys(VARIABLES, CERTIFICATES)
