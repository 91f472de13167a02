# SPDX-License-Identifier: Apache-2.0
"""What a registry can do wrong, and the one failure that a user gets for it."""

import pytest

from bbox_server.domain.error import ErrorCode
from tests.infra.images.registry.faulty_proxy import (
    BLOBS,
    MANIFESTS,
    FaultyProxy,
    Handler,
    cut_after,
    drips,
    gives,
    is_silent,
    says,
    whole_instead_of_range,
)
from tests.infra.images.registry.ground import Ground, Made, image, read
from tests.infra.images.registry.real_registry import RealRegistry


@pytest.fixture
def made(ground: Ground, proxy: FaultyProxy) -> Made:
    made_image = image(ground.directory / "oci")
    RealRegistry(proxy.upstream).push("tool", made_image.layout)
    return made_image


def flipped(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


@pytest.mark.parametrize(
    ("part", "fault", "code"),
    [
        (MANIFESTS, says(401), ErrorCode.IMAGE_REGISTRY_DENIED),
        (MANIFESTS, says(403), ErrorCode.IMAGE_REGISTRY_DENIED),
        (BLOBS, says(403), ErrorCode.IMAGE_REGISTRY_DENIED),
        (MANIFESTS, says(404), ErrorCode.IMAGE_NOT_FOUND),
        (MANIFESTS, says(429), ErrorCode.IMAGE_REGISTRY_LIMITED),
        (BLOBS, says(429, Retry_After="3600"), ErrorCode.IMAGE_REGISTRY_LIMITED),
        (MANIFESTS, says(500), ErrorCode.IMAGE_REGISTRY_FAILED),
        (BLOBS, says(503), ErrorCode.IMAGE_REGISTRY_FAILED),
        (MANIFESTS, says(400), ErrorCode.IMAGE_REGISTRY_FAILED),
        (MANIFESTS, says(302, Location="ftp://example.com/"), ErrorCode.IMAGE_REGISTRY_FAILED),
        (MANIFESTS, says(302), ErrorCode.IMAGE_REGISTRY_FAILED),
        (MANIFESTS, gives(lambda _: b"<html>"), ErrorCode.IMAGE_CORRUPT),
        (MANIFESTS, gives(flipped), ErrorCode.IMAGE_CORRUPT),
        (MANIFESTS, gives(lambda body: body + bytes(5 * 10**6)), ErrorCode.IMAGE_CORRUPT),
        (BLOBS, gives(flipped), ErrorCode.IMAGE_CORRUPT),
        (BLOBS, gives(lambda body: body + b"more"), ErrorCode.IMAGE_CORRUPT),
        (BLOBS, cut_after(10), ErrorCode.IMAGE_REGISTRY_UNREACHABLE),
        (MANIFESTS, is_silent(0.7), ErrorCode.IMAGE_REGISTRY_UNREACHABLE),
        (BLOBS, is_silent(0.7), ErrorCode.IMAGE_REGISTRY_UNREACHABLE),
    ],
)
@pytest.mark.usefixtures("made")
async def test_each_fault_is_one_clear_failure(
    ground: Ground, proxy: FaultyProxy, part: str, fault: Handler, code: ErrorCode
) -> None:
    proxy.fail(part, fault, times=9)

    error = await ground.refusal(f"{proxy.address}/tool")

    assert error.code is code
    assert ground.layers == [name for name in ground.layers if name.endswith(".part")]


async def test_a_layer_of_another_digest_is_kept_by_nobody(
    ground: Ground, proxy: FaultyProxy, made: Made
) -> None:
    proxy.fail(made.digest, gives(flipped))

    error = await ground.refusal(f"{proxy.address}/tool")

    assert error.code is ErrorCode.IMAGE_CORRUPT
    assert made.digest.removeprefix("sha256:") in error.cause
    root = await ground.pull(f"{proxy.address}/tool")
    assert read(root, "name") == b"1"


@pytest.mark.parametrize(
    "fault",
    [
        says(500),
        says(429, Retry_After="0"),
        cut_after(0),
        cut_after(50_000),
        is_silent(0.7),
    ],
)
@pytest.mark.parametrize("part", [MANIFESTS, BLOBS])
@pytest.mark.usefixtures("made")
async def test_what_passes_is_waited_for(
    ground: Ground, proxy: FaultyProxy, part: str, fault: Handler
) -> None:
    proxy.fail(part, fault)

    root = await ground.pull(f"{proxy.address}/tool")

    assert read(root, "name") == b"1"


async def test_a_cut_download_goes_on_where_it_was(
    ground: Ground, proxy: FaultyProxy, made: Made
) -> None:
    # More cuts than tries: each brought something.
    for _ in range(4):
        proxy.fail(made.digest, cut_after(50_000))

    root = await ground.pull(f"{proxy.address}/tool")

    begins = [request.headers.get("Range", "") for request in proxy.asked(made.digest)]
    assert begins[0] == ""
    assert len(set(begins)) == len(begins) == 5
    assert read(root, "name") == b"1"


async def test_a_registry_without_ranges_is_read_from_the_start(
    ground: Ground, proxy: FaultyProxy, made: Made
) -> None:
    proxy.fail(made.digest, cut_after(50_000))
    proxy.fail(made.digest, whole_instead_of_range(made.content))

    root = await ground.pull(f"{proxy.address}/tool")

    assert read(root, "name") == b"1"
    assert len(proxy.asked(made.digest)) == 2


async def test_a_slow_registry_is_no_silent_one(
    ground: Ground, proxy: FaultyProxy, made: Made
) -> None:
    proxy.fail(made.digest, drips(pieces=8, pause_s=0.1))

    root = await ground.pull(f"{proxy.address}/tool")

    assert read(root, "name") == b"1"
    assert len(proxy.asked(made.digest)) == 1


async def test_nobody_at_the_port_is_unreachable(ground: Ground) -> None:
    error = await ground.refusal("127.0.0.1:9/tool")

    assert error.code is ErrorCode.IMAGE_REGISTRY_UNREACHABLE
    assert "127.0.0.1:9" in error.cause


async def test_a_tag_that_is_not_there_is_named(ground: Ground, real: RealRegistry) -> None:
    error = await ground.refusal(f"{real.address}/tool:no-such-tag")

    assert error.code is ErrorCode.IMAGE_NOT_FOUND
    assert "tool:no-such-tag" in error.cause


async def test_an_image_that_is_too_large_is_not_begun(
    ground: Ground, proxy: FaultyProxy, made: Made
) -> None:
    size = f'"size": {len(made.content)}'.encode()
    proxy.fail(MANIFESTS, gives(lambda body: body.replace(size, b'"size": 99999999999999')))

    error = await ground.refusal(f"{proxy.address}/tool")

    assert error.code is ErrorCode.IMAGE_CORRUPT
    assert proxy.asked(BLOBS) == []
