# SPDX-License-Identifier: Apache-2.0
"""Logins that Docker and Podman keep (docker config.json; containers-auth.json(5))."""

import asyncio
import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.registry.faults import bad_login
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.programs import SYSTEM_PATH

_FILE_LIMIT_BYTES: Final = 1024 * 1024
_OUTPUT_LIMIT_BYTES: Final = 64 * 1024
# One that asks its user in a window is given the time to.
_HELPER_TIMEOUT_S: Final = 60.0
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# docker-credential-helpers, credentials/error.go: how all helpers say that there is none.
_NOT_FOUND: Final = b"credentials not found"
_IDENTITY: Final = "<token>"

_DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who the user is to a registry.

    Attributes:
        identity_token: Takes the place of both others (distribution's oauth.md).
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """Reads them when they are asked for; nothing is kept.

    Attributes:
        environ: The user's: where the files are, and what their helpers need.
    """

    environ: Mapping[str, str] = field(repr=False)

    async def find(self, host: str, repository: str) -> Login | None:
        """The login for a repository, as its user's own clients would take it.

        Raises:
            BboxError: image.login-failed.
        """
        for path in self._files():
            document = _read(path)
            if document is None:
                continue
            login = await self._of_helper(document, host)
            if login is None:
                login = _of_file(document, host, repository, path)
            if login is not None:
                return login
        return None

    def _files(self) -> Iterator[Path]:
        environ = self.environ
        if own := environ.get("REGISTRY_AUTH_FILE"):
            yield Path(own)
        home = environ.get("HOME", "")
        if runtime := environ.get("XDG_RUNTIME_DIR"):
            yield Path(runtime, "containers/auth.json")
        if config := environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config"):
            yield Path(config, "containers/auth.json")
        if docker := environ.get("DOCKER_CONFIG") or (home and f"{home}/.docker"):
            yield Path(docker, "config.json")

    async def _of_helper(self, document: JsonObject, host: str) -> Login | None:
        helpers = document.optional_child("credHelpers")
        names = _names(host)
        own = [helpers.text(name) for name in names if helpers is not None and helpers.text(name)]
        helper = own[0] if own else document.text("credsStore")
        if not helper:
            return None
        if not _HELPER.fullmatch(helper):
            raise bad_login(document.where, f"{helper[:40]!r} is no name of a credential helper")
        return await self._ask(f"docker-credential-{helper}", names[0])

    async def _ask(self, program: str, server: str) -> Login | None:
        command = Command(
            argv=(program, "get"),
            env={"PATH": SYSTEM_PATH, **self.environ},
            stdin=server.encode(),
        )
        try:
            async with asyncio.timeout(_HELPER_TIMEOUT_S):
                done = await run(command, limit_bytes=_OUTPUT_LIMIT_BYTES)
        except TimeoutError as error:
            raise bad_login(program, f"it did not answer within {_HELPER_TIMEOUT_S:g} s") from error
        except BboxError as error:
            if error.code is ErrorCode.DEPENDENCY_MISSING:
                raise bad_login(program, "it is not installed") from error
            raise
        if done.exit_code != 0:
            # Helpers say it on standard output.
            if _NOT_FOUND in (done.output + done.errors).lower():
                return None
            raise bad_login(program, f"it ended with exit code {done.exit_code}")
        answer = _parse(done.output, program)
        username, secret = answer.text("Username"), answer.text("Secret")
        if username == _IDENTITY:
            return Login(identity_token=secret)
        return Login(username=username, password=secret)


def _read(path: Path) -> JsonObject | None:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise bad_login(str(path), f"it can't be read: {error.strerror}") from error
    if len(content) > _FILE_LIMIT_BYTES:
        raise bad_login(str(path), f"it is larger than {_FILE_LIMIT_BYTES} bytes")
    return _parse(content, str(path)) if content.strip() else None


def _parse(content: bytes, where: str) -> JsonObject:
    try:
        return JsonObject.parse(content, where=where)
    except BboxError as error:
        raise bad_login(where, "it is no JSON object") from error


def _of_file(document: JsonObject, host: str, repository: str, path: Path) -> Login | None:
    try:
        entries = document.optional_child("auths")
        keys = _keys(host, repository)
        found = [entries.optional_child(key) for key in keys] if entries is not None else []
        logins = [_decode(entry) for entry in found if entry is not None]
    except (BboxError, binascii.Error, UnicodeDecodeError) as error:
        raise bad_login(str(path), "an entry below `auths` can't be read") from error
    return next((login for login in logins if login is not None), None)


def _decode(entry: JsonObject) -> Login | None:
    if token := entry.text("identitytoken"):
        return Login(identity_token=token)
    text = base64.b64decode(entry.text("auth"), validate=True).decode()
    username, _, password = text.partition(":")
    # Docker pads what it encodes with NUL.
    username, password = username or entry.text("username"), password.rstrip("\0")
    password = password or entry.text("password")
    return Login(username=username, password=password) if username else None


def _keys(host: str, repository: str) -> tuple[str, ...]:
    """Podman's may end with a part of the repository; the longest counts."""
    parts = repository.split("/")
    longer = [f"{host}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)]
    return (*longer, *_names(host))


def _names(host: str) -> tuple[str, ...]:
    """What a host is called in the files; the first is what helpers are asked for."""
    if host == _DOCKER_HUB:
        return (_DOCKER_HUB_KEY, host, "index.docker.io", "registry-1.docker.io")
    return (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
