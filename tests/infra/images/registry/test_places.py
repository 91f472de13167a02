# SPDX-License-Identifier: Apache-2.0
"""Mirrors, redirects, and where a registry must not lead."""

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import parse_reference
from bbox_server.infra.images.registry.addresses import (
    AddressRefusedError,
    GuardedResolver,
    is_public,
)
from bbox_server.infra.images.registry.challenge import parse_challenges
from bbox_server.infra.images.registry.endpoints import Endpoint, RegistriesConf
from bbox_server.infra.images.registry.transport import Patience, connect
from tests.infra.images.registry.faulty_proxy import (
    BLOBS,
    TOKEN,
    FaultyProxy,
    faulty,
    redirects_to,
    says,
)
from tests.infra.images.registry.ground import Ground, image, read
from tests.infra.images.registry.real_registry import RealRegistry

NOBODY = "127.0.0.1:9"


def settings(ground: Ground, text: str) -> None:
    place = ground.home / ".config" / "containers"
    place.mkdir(parents=True)
    (place / "registries.conf").write_text(text)


def mirrored(*mirrors: str, more: str = "") -> str:
    lines = [f'[[registry.mirror]]\nlocation = "{mirror}"\ninsecure = true' for mirror in mirrors]
    return "\n".join([f'[[registry]]\nprefix = "example.test/a"\n{more}', *lines])


async def test_a_mirror_is_asked_first(ground: Ground, real: RealRegistry) -> None:
    real.push("copy/tool", image(ground.directory / "oci").layout)
    settings(ground, mirrored(NOBODY, f"{real.address}/copy"))

    root = await ground.pull("example.test/a/tool")

    assert read(root, "name") == b"1"
    assert [str(one) for one in (await ground.store.list())[0].references] == [
        "example.test/a/tool:latest"
    ]


async def test_a_location_takes_the_registrys_place(ground: Ground, real: RealRegistry) -> None:
    real.push("tool", image(ground.directory / "oci").layout)
    settings(
        ground, f'[[registry]]\nprefix = "example.test"\nlocation = "{real.address}"\ninsecure=true'
    )

    assert (await ground.pull("example.test/tool")).digest


async def test_the_registrys_own_failure_is_told(ground: Ground) -> None:
    settings(ground, f'{mirrored(NOBODY)}\n[[registry]]\nlocation = "x"')

    error = await ground.refusal("example.test/a/tool")

    assert error.code is ErrorCode.IMAGE_REGISTRY_UNREACHABLE
    assert "example.test" in error.cause


async def test_a_blocked_registry_is_not_asked(ground: Ground) -> None:
    settings(ground, '[[registry]]\nlocation = "example.test"\nblocked = true')

    error = await ground.refusal("example.test/tool")

    assert "blocks" in error.cause


@pytest.mark.parametrize(
    ("more", "name", "asked"),
    [
        ("", "example.test/a/tool", 2),
        ("mirror-by-digest-only = true", "example.test/a/tool", 1),
        ("mirror-by-digest-only = true", f"example.test/a/tool@sha256:{'0' * 64}", 2),
        ("", "example.test/ab", 1),
        ("", "example.test/a", 2),
    ],
)
def test_a_mirror_serves_what_it_is_set_for(
    ground: Ground, more: str, name: str, asked: int
) -> None:
    settings(ground, mirrored("mirror.test/copy", more=more))
    conf = RegistriesConf(environ={"HOME": str(ground.home)}, system=ground.directory)

    endpoints = conf.endpoints(parse_reference(name))

    assert len(endpoints) == asked
    assert endpoints[-1].name == "example.test"


def test_the_machines_file_counts_where_the_user_has_none(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text('[[registry]]\nlocation="a.test"\ninsecure=true')
    (tmp_path / "registries.conf.d").mkdir()
    (tmp_path / "registries.conf.d" / "b.conf").write_text(
        '[[registry]]\nprefix="*.b.test"\ninsecure=true'
    )
    conf = RegistriesConf(environ={}, system=tmp_path)

    found = [conf.endpoints(parse_reference(f"{host}/x"))[0] for host in ("a.test", "c.b.test")]

    assert [one.insecure for one in found] == [True, True]
    assert [one.name for one in found] == ["a.test", "c.b.test"]


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text("[[")

    with pytest.raises(BboxError, match=r"registries\.conf"):
        RegistriesConf(environ={}, system=tmp_path).endpoints(parse_reference("a.test/x"))


def test_docker_hub_is_elsewhere_than_its_name() -> None:
    conf = RegistriesConf(environ={}, system=Path("/nowhere"))

    (endpoint,) = conf.endpoints(parse_reference("debian"))

    assert endpoint.host == "registry-1.docker.io"
    assert (endpoint.name, endpoint.repository) == ("docker.io", "library/debian")
    assert not endpoint.insecure


async def test_a_token_is_not_carried_to_another_host(
    ground: Ground, proxy: FaultyProxy, real: RealRegistry
) -> None:
    real.push("tool", image(ground.directory / "oci").layout)
    proxy.wants_token = True
    async with faulty(real.address) as storage:
        proxy.fail(BLOBS, redirects_to(storage), times=2)

        root = await ground.pull(f"{proxy.address}/tool")

    assert read(root, "name") == b"1"
    assert {one.headers.get("Authorization") for one in storage.seen} == {None}
    assert f"Bearer {TOKEN}" in {one.headers.get("Authorization") for one in proxy.seen}


async def test_a_registry_that_redirects_without_end_is_left(
    ground: Ground, proxy: FaultyProxy
) -> None:
    proxy.fail("/manifests/", says(302, Location="/v2/tool/manifests/again"), times=9)

    error = await ground.refusal(f"{proxy.address}/tool")

    assert error.code is ErrorCode.IMAGE_REGISTRY_FAILED
    assert "redirects" in error.cause


@pytest.mark.parametrize(
    "location",
    ["http://example.com/x", "https://127.0.0.1/x", "https://[::1]/", "https://169.254.169.254/"],
)
async def test_a_public_registry_leads_to_https_in_public(location: str) -> None:
    endpoint = Endpoint(name="registry.test", repository="tool")
    async with connect(endpoint, Patience()) as transport:
        with pytest.raises(BboxError) as caught:
            transport._next(transport.base, location)

    assert caught.value.code is ErrorCode.IMAGE_REGISTRY_FAILED


async def test_a_name_of_this_machine_is_refused_where_it_is_resolved() -> None:
    resolver = GuardedResolver(frozenset({"registry.test"}))

    with pytest.raises(AddressRefusedError):
        await resolver.resolve("localhost", 443, socket.AF_INET)


async def test_a_registry_of_this_network_may_lead_into_it() -> None:
    resolver = GuardedResolver(frozenset({"localhost"}))
    await resolver.resolve("localhost", 443, socket.AF_INET)

    assert resolver.admits("10.0.0.1")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:127.0.0.1", False),
        ("fe80::1%eth0", False),
        ("224.0.0.1", False),
    ],
)
def test_which_addresses_are_public(address: str, *, public: bool) -> None:
    assert is_public(address) is public


def test_several_challenges_in_one_header() -> None:
    found = parse_challenges(['Basic realm="a, b", Bearer realm="https://x/", service=y', "Other"])

    assert [one.scheme for one in found] == ["basic", "bearer", "other"]
    assert found[0].parameters == {"realm": "a, b"}
    assert found[1].parameters == {"realm": "https://x/", "service": "y"}


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_challenge_is_read_to_its_end(headers: list[str]) -> None:
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()


@given(st.text(alphabet=' ,="\\aB', max_size=9000))
def test_a_challenge_takes_no_time(header: str) -> None:
    assert len(parse_challenges([header])) <= len(header)
