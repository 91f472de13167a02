# SPDX-License-Identifier: Apache-2.0
"""git in a guest reads and writes a repository with a token that it never sees (ADR 0133)."""

import asyncio
import os
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bbox_server.domain.credential import CredentialProxySpec, ServedRoute
from bbox_server.domain.git_token import git_routes, git_settings
from bbox_server.domain.identity import GitIdentity, guest_config
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.credential.proxy import ProcessCredentialProxy
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command
from tests.fakes.credential import RecordingObserver
from tests.infra.credential.provider import PLACEHOLDER, USER, provider
from tests.infra.workspace.ground import git

KEY = "ghp_0123456789abcdef"
REMOTE = "https://github.com/ada/tally.git"
BASIC = "Basic " + b64encode(f"x-access-token:{KEY}".encode()).decode()


async def backend(root: Path, request: web.Request) -> web.Response:
    """git's own CGI program, for whoever has the token (RFC 3875)."""
    if request.headers.get("Authorization") != BASIC:
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
    command = Command(
        argv=("git", "http-backend"),
        stdin=await request.read(),
        env={
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "ada",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        },
    )
    head, _, body = (await run(command)).output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers.pop("Status", "200").split()[0])
    return web.Response(status=status, headers=headers, body=body)


@dataclass(frozen=True)
class Guest:
    """A home with the guest's ~/.gitconfig, and what the host has seen."""

    home: Path
    hosted: Path
    observer: RecordingObserver

    async def git(self, *words: str) -> tuple[int, str]:
        """Run git as the agent would."""
        command = Command(
            argv=("git", *words),
            directory=str(self.home),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_CONFIG_NOSYSTEM": "1",
            },
        )
        done = await run(command)
        return done.exit_code, (done.output + done.errors).decode()


@asynccontextmanager
async def relay(socket: str) -> AsyncIterator[int]:
    """The gateway's port, as the egress relay offers it to the guest."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(socket)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump(reader, back))
            tasks.create_task(pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture
async def guest(tmp_path: Path, sandbox_dir: Path) -> AsyncIterator[Guest]:
    hosted = tmp_path / "hosted" / "ada" / "tally.git"
    hosted.mkdir(parents=True)
    git(hosted, "init", "-q", "--bare", "-b", "main")
    first = git(hosted, "commit-tree", "-m", "First", git(hosted, "mktree").strip()).strip()
    git(hosted, "update-ref", "refs/heads/main", first)
    (served,) = git_routes([REMOTE], {"GITHUB_TOKEN": KEY})
    observer = RecordingObserver()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await backend(tmp_path / "hosted", request)

    async with provider(answer) as port:
        route = replace(served.route, upstream=f"http://127.0.0.1:{port}/ada/tally.git")
        spec = CredentialProxySpec(
            socket=HostPath(f"{sandbox_dir}/keys"),
            placeholder=PLACEHOLDER,
            routes=(ServedRoute(route=route, key=served.key),),
        )
        proxy = ProcessCredentialProxy(user=USER, environment={})
        async with proxy.start(spec, observer), relay(spec.socket) as gateway:
            home = tmp_path / "home"
            home.mkdir()
            settings = git_settings([REMOTE], PLACEHOLDER, f"http://127.0.0.1:{gateway}")
            identity = GitIdentity(name="Ada", email="ada@example.org")
            (home / ".gitconfig").write_text(guest_config(identity, settings))
            yield Guest(home, hosted, observer)


async def test_the_guest_clones_and_pushes(guest: Guest) -> None:
    assert await guest.git("clone", "-q", REMOTE, "tally") == (0, "")
    large = guest.home / "tally/large"
    large.write_bytes(os.urandom(3 << 20))  # more than git sends in one piece (http.postBuffer)
    for words in (("add", "large"), ("commit", "-qm", "Second"), ("push", "-q")):
        assert await guest.git("-C", "tally", *words) == (0, "")
    assert git(guest.hosted, "log", "--format=%an:%s").splitlines() == ["Ada:Second", "a:First"]


@pytest.mark.parametrize(
    "url", ["git@github.com:ada/tally.git", "ssh://git@github.com/ada/tally.git"]
)
async def test_a_remote_by_ssh_is_found_as_well(guest: Guest, url: str) -> None:
    code, output = await guest.git("ls-remote", url)
    assert (code, "refs/heads/main" in output) == (0, True)


async def test_each_use_is_an_event_and_none_has_the_token(guest: Guest) -> None:
    await guest.git("ls-remote", REMOTE)
    kinds = {(kind.value, fields["provider"]) for kind, fields in guest.observer.events}
    assert kinds == {("credential.used", "github:ada/tally")}
    assert KEY not in repr(guest.observer.events)
    texts = [path.read_text() for path in guest.home.rglob("*") if path.is_file()]
    assert not any(KEY in text or BASIC.split()[1] in text for text in texts)


async def test_another_repository_is_not_served(guest: Guest) -> None:
    config = (guest.home / ".gitconfig").read_text()
    found = re.search(r'\[http "(?P<base>[^"]+)/git/ada/tally.git"\]', config)
    assert found is not None
    for name in ("ada/other.git", "ada/tally.git.git", "eve/tally.git", "ada/tally"):
        header = ("-c", f"http.extraHeader=Authorization: Bearer {PLACEHOLDER}")
        code, _ = await guest.git(*header, "ls-remote", f"{found['base']}/git/{name}")
        assert code != 0
    assert {fields["status"] for _, fields in guest.observer.events} == {404}


async def test_without_the_placeholder_nothing_is_served(guest: Guest) -> None:
    config = (guest.home / ".gitconfig").read_text()
    (guest.home / ".gitconfig").write_text(config.replace(PLACEHOLDER, "guessed"))
    code, _ = await guest.git("ls-remote", REMOTE)
    assert code != 0
