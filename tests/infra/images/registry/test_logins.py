# SPDX-License-Identifier: Apache-2.0
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.registry.logins import Login, Logins
from tests.infra.images.registry.faulty_proxy import (
    BLOBS,
    IDENTITY,
    MANIFESTS,
    TOKEN,
    FaultyProxy,
    says,
)
from tests.infra.images.registry.ground import Ground, image
from tests.infra.images.registry.real_registry import (
    PASSWORD,
    USER,
    RealRegistry,
    basic,
    serve,
)

AUTH = {"auth": b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with serve(tmp_path_factory.mktemp("closed"), has_login=True) as registry:
        directory = tmp_path_factory.mktemp("image")
        registry.push("tool", image(directory / "oci").layout)
        yield registry


@pytest.fixture
async def with_tokens(ground: Ground, proxy: FaultyProxy) -> FaultyProxy:
    RealRegistry(proxy.upstream).push("tool", image(ground.directory / "oci").layout)
    proxy.wants_token = True
    return proxy


def docker_config(home: Path, content: object) -> None:
    place = home / ".docker"
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text(json.dumps(content))


def helper(ground: Ground, name: str, script: str) -> None:
    """A credential helper on the user's PATH."""
    place = ground.directory / "bin"
    place.mkdir()
    program = place / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert ground.store.registries is not None
    environ = ground.store.registries.environ
    assert isinstance(environ, dict)
    environ["PATH"] = f"{place}:{environ['PATH']}"


async def find(
    environ: dict[str, str], host: str = "example.com", repository: str = "a/b"
) -> Login | None:
    return await Logins(environ=environ).find(host, repository)


async def test_without_a_login_the_registry_refuses(ground: Ground, closed: RealRegistry) -> None:
    error = await ground.refusal(f"{closed.address}/tool")

    assert error.code is ErrorCode.IMAGE_REGISTRY_DENIED
    assert f"docker login {closed.address}" in error.remediation


async def test_a_login_of_docker_is_used(ground: Ground, closed: RealRegistry) -> None:
    docker_config(ground.home, {"auths": {closed.address: AUTH}})

    assert (await ground.pull(f"{closed.address}/tool")).digest


async def test_a_wrong_password_is_refused(ground: Ground, closed: RealRegistry) -> None:
    wrong = {"auth": b64encode(f"{USER}:wrong".encode()).decode()}
    docker_config(ground.home, {"auths": {closed.address: wrong}})

    assert await ground.code(f"{closed.address}/tool") is ErrorCode.IMAGE_REGISTRY_DENIED


async def test_a_credential_helper_is_asked_for_the_host(
    ground: Ground, closed: RealRegistry
) -> None:
    answer = json.dumps({"Username": USER, "Secret": PASSWORD})
    script = f'[ "$1" = get ] && [ "$(cat)" = {closed.address} ] && echo \'{answer}\''
    helper(ground, "test", script)
    docker_config(ground.home, {"credHelpers": {closed.address: "test"}})

    await ground.pull(f"{closed.address}/tool")


async def test_a_helper_that_knows_nothing_is_no_failure(
    ground: Ground, closed: RealRegistry
) -> None:
    helper(ground, "test", "echo credentials not found in native keychain; exit 1")
    docker_config(ground.home, {"credsStore": "test", "auths": {closed.address: AUTH}})

    await ground.pull(f"{closed.address}/tool")


@pytest.mark.parametrize(("script", "said"), [("exit 3", "exit code 3"), ("echo nonsense", "JSON")])
async def test_a_helper_that_fails_is_named(
    ground: Ground, closed: RealRegistry, script: str, said: str
) -> None:
    helper(ground, "test", script)
    docker_config(ground.home, {"credsStore": "test"})

    error = await ground.refusal(f"{closed.address}/tool")

    assert error.code is ErrorCode.IMAGE_LOGIN_FAILED
    assert "docker-credential-test" in error.cause
    assert said in error.cause


@pytest.mark.parametrize("name", ["missing", "../../bin/sh", "a b"])
async def test_a_helper_that_is_none_is_no_program(
    ground: Ground, closed: RealRegistry, name: str
) -> None:
    docker_config(ground.home, {"credsStore": name})

    assert await ground.code(f"{closed.address}/tool") is ErrorCode.IMAGE_LOGIN_FAILED


async def test_a_registry_gives_anybody_a_token(ground: Ground, with_tokens: FaultyProxy) -> None:
    await ground.pull(f"{with_tokens.address}/tool")

    (request,) = with_tokens.token_requests
    assert request["scope"] == ["repository:tool:pull"]
    assert request["authorization"] == [""]


async def test_a_user_gets_a_token_for_their_login(
    ground: Ground, with_tokens: FaultyProxy
) -> None:
    docker_config(ground.home, {"auths": {with_tokens.address: AUTH}})

    await ground.pull(f"{with_tokens.address}/tool")

    (request,) = with_tokens.token_requests
    assert request["authorization"] == [basic()]
    sent = {one.headers.get("Authorization") for one in with_tokens.seen}
    assert sent == {None, f"Bearer {TOKEN}"}


async def test_an_identity_token_takes_the_place_of_the_password(
    ground: Ground, with_tokens: FaultyProxy
) -> None:
    docker_config(ground.home, {"auths": {with_tokens.address: {"identitytoken": IDENTITY}}})

    await ground.pull(f"{with_tokens.address}/tool")

    (request,) = with_tokens.token_requests
    assert request["refresh_token"] == [IDENTITY]
    assert request["grant_type"] == ["refresh_token"]


async def test_a_token_that_is_refused_is_renewed_once(
    ground: Ground, with_tokens: FaultyProxy
) -> None:
    with_tokens.fail(BLOBS, says(401, WWW_Authenticate=with_tokens.challenge))

    # This server has the same token again, which is none.
    assert await ground.code(f"{with_tokens.address}/tool") is ErrorCode.IMAGE_REGISTRY_DENIED
    assert len(with_tokens.token_requests) == 2


async def test_a_realm_elsewhere_gets_no_password_over_plain_http(
    ground: Ground, proxy: FaultyProxy
) -> None:
    challenge = 'Bearer realm="ftp://example.com/token"'
    proxy.fail(MANIFESTS, says(401, WWW_Authenticate=challenge))

    assert await ground.code(f"{proxy.address}/tool") is ErrorCode.IMAGE_REGISTRY_FAILED


async def test_podmans_longest_key_counts(tmp_path: Path) -> None:
    place = tmp_path / "containers"
    place.mkdir()
    entries = {"example.com": {"username": "x", "password": "1"}, "example.com/a": AUTH}
    (place / "auth.json").write_text(json.dumps({"auths": entries}))
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}

    found = await find(environ)
    other = await find(environ, repository="c")

    assert found == Login(username=USER, password=PASSWORD)
    assert other == Login(username="x", password="1")  # noqa: S106 (a test's)


async def test_docker_hubs_login_has_its_own_name(tmp_path: Path) -> None:
    docker_config(tmp_path, {"auths": {"https://index.docker.io/v1/": AUTH}})

    assert await find({"HOME": str(tmp_path)}, "docker.io") is not None


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": 3}', '{"auths": {"example.com": 1}}'])
async def test_a_file_that_can_not_be_read_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(content)

    with pytest.raises(BboxError) as caught:
        await find({"HOME": str(tmp_path)})

    assert caught.value.code is ErrorCode.IMAGE_LOGIN_FAILED
    assert "config.json" in caught.value.cause


def test_a_login_shows_no_secret() -> None:
    shown = repr(Login(username="u", password="p4ss", identity_token="t0ken"))  # noqa: S106 (a test's)

    assert "p4ss" not in shown
    assert "t0ken" not in shown
