# SPDX-License-Identifier: Apache-2.0
"""Whom the proxy trusts, and through which proxy of the user's it goes out."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bbox_server.infra.credential.trust import client_context, outer_proxy, passed_environment
from tests.infra.credential.authority import make_certificate
from tests.infra.credential.provider import echo, provider, proxied

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*PROXY_VARIABLES, "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_a_provider_that_nobody_vouches_for_is_not_asked(tmp_path: Path) -> None:
    _, context = make_certificate(tmp_path)
    async with (
        provider(echo, context=context) as port,
        proxied(f"https://127.0.0.1:{port}") as guest,
    ):
        status, body = await guest.ask()
    assert status == 502
    assert b"certificate verify failed" in body


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CODEX_CA_CERTIFICATE"])
async def test_the_users_own_authority_is_trusted(name: str, tmp_path: Path) -> None:
    bundle, context = make_certificate(tmp_path)
    async with (
        provider(echo, context=context) as port,
        proxied(f"https://127.0.0.1:{port}", {name: str(bundle)}) as guest,
    ):
        status, _ = await guest.ask()
    assert status == 200


def test_a_context_without_any_variable_has_the_systems_authorities() -> None:
    assert client_context({}).cert_store_stats()["x509_ca"] > 0 or client_context({}).get_ca_certs()


def test_only_what_says_whom_to_trust_and_how_to_get_out_is_passed_on() -> None:
    environ = {"OPENAI_API_KEY": "k", "SSL_CERT_DIR": "/d", "NO_PROXY": "", "LD_PRELOAD": "x"}
    assert passed_environment(environ) == {"SSL_CERT_DIR": "/d"}


def test_the_users_proxy_is_used(plain_environment: pytest.MonkeyPatch) -> None:
    plain_environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert outer_proxy("https://api.openai.com/v1", os.environ) == "http://proxy.example:3128"


def test_a_proxy_for_all_is_used(plain_environment: pytest.MonkeyPatch) -> None:
    plain_environment.setenv("all_proxy", "http://proxy.example:3128")
    assert outer_proxy("https://api.openai.com/v1", os.environ) == "http://proxy.example:3128"


def test_an_upstream_that_the_user_excepts_is_asked_directly(
    plain_environment: pytest.MonkeyPatch,
) -> None:
    plain_environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    plain_environment.setenv("NO_PROXY", "openai.com")
    assert outer_proxy("https://api.openai.com/v1", os.environ) is None


def test_this_host_is_never_asked_through_a_proxy(plain_environment: pytest.MonkeyPatch) -> None:
    plain_environment.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert outer_proxy("http://127.0.0.1:8080/v1", os.environ) is None


@asynccontextmanager
async def _connect_proxy(targets: list[str], port: int) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        targets.append(head.split()[1].decode())
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, back))
            group.create_task(_pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_provider_is_asked_through_the_users_proxy(tmp_path: Path) -> None:
    bundle, context = make_certificate(tmp_path)
    targets: list[str] = []
    async with provider(echo, context=context) as port, _connect_proxy(targets, port) as outer:
        environment = {
            "SSL_CERT_FILE": str(bundle),
            "HTTPS_PROXY": f"http://user:password@127.0.0.1:{outer}",
        }
        # Not a loopback address, so that it goes through the proxy, which connects elsewhere.
        async with proxied("https://192.0.2.1:8443", environment) as guest:
            status, _ = await guest.ask()
    assert (status, targets) == (200, ["192.0.2.1:8443"])
