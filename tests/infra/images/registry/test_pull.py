# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
from dataclasses import replace

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import PullPolicy, parse_reference
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.images.manifest import Compression
from tests.infra.images import oci
from tests.infra.images.registry.faulty_proxy import BLOBS, MANIFESTS, FaultyProxy, cut_after, says
from tests.infra.images.registry.ground import Ground, image, read
from tests.infra.images.registry.real_registry import RealRegistry


async def test_an_image_is_pulled_whatever_its_layers_are_compressed_with(
    ground: Ground, real: RealRegistry
) -> None:
    writer = oci.LayoutWriter(ground.directory / "oci", config={"Cmd": ["/bin/a"]})
    layers = [
        writer.layer(oci.tar(oci.member(f"file-{each.name}", b"1")), each) for each in Compression
    ]
    real.push("every/form", writer.index(writer.manifest(*layers)))

    root = await ground.pull(f"{real.address}/every/form")

    assert [read(root, f"file-{each.name}") for each in Compression] == [b"1"] * 3
    assert root.config.cmd == ("/bin/a",)


async def test_the_digest_is_the_manifests(ground: Ground, real: RealRegistry) -> None:
    digest = real.push("tool", image(ground.directory / "oci").layout)

    root = await ground.pull(f"{real.address}/tool")

    assert f"sha256:{root.digest}" == digest


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
async def test_the_platforms_image_is_chosen(
    ground: Ground, real: RealRegistry, architecture: str
) -> None:
    writer = oci.LayoutWriter(ground.directory / "oci")
    entries = []
    # What builders add to an index is of no platform.
    for name in ("unknown", "arm64", "amd64"):
        writer.architecture = name
        layer = writer.layer(oci.tar(oci.member("name", name.encode())))
        platform = {"os": "unknown" if name == "unknown" else "linux", "architecture": name}
        entries.append({**writer.manifest(layer), "platform": platform})
    content = json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries})
    layout = writer.index({"mediaType": oci.INDEX, **writer.blob(content.encode())})
    digest = real.push("many", layout)
    store = _of(ground, architecture)

    root = await store.pull(f"{real.address}/many@{digest}")

    assert read(root, "name") == architecture.encode()


def _of(ground: Ground, architecture: str) -> Ground:
    return replace(ground, store=replace(ground.store, architecture=architecture))


async def test_an_image_of_another_platform_is_refused(ground: Ground, real: RealRegistry) -> None:
    real.push("foreign", image(ground.directory / "oci", architecture="s390x").layout)

    assert await ground.code(f"{real.address}/foreign") is ErrorCode.IMAGE_UNSUPPORTED


async def test_what_is_here_is_not_asked_for(ground: Ground, proxy: FaultyProxy) -> None:
    made = image(ground.directory / "oci")
    RealRegistry(proxy.upstream).push("tool", made.layout)
    first = await ground.pull(f"{proxy.address}/tool")
    proxy.seen.clear()

    again = await ground.pull(f"{proxy.address}/tool")
    by_policy = await ground.pull(f"{proxy.address}/tool", PullPolicy.NEVER)
    by_digest = await ground.pull(f"{proxy.address}/tool@sha256:{first.digest}", PullPolicy.ALWAYS)

    assert again == by_policy == by_digest == first
    assert proxy.seen == []


async def test_always_asks_and_takes_what_is_new(ground: Ground, proxy: FaultyProxy) -> None:
    real, name = RealRegistry(proxy.upstream), f"{proxy.address}/moving"
    real.push("moving", image(ground.directory / "one", text="1").layout)
    await ground.pull(name)
    real.push("moving", image(ground.directory / "two", text="2").layout)
    kept = await ground.pull(name)

    moved = await ground.pull(name, PullPolicy.ALWAYS)

    assert (read(kept, "name"), read(moved, "name")) == (b"1", b"2")
    assert await ground.pull(name, PullPolicy.NEVER) == moved


async def test_always_downloads_nothing_that_is_here(ground: Ground, proxy: FaultyProxy) -> None:
    RealRegistry(proxy.upstream).push("tool", image(ground.directory / "oci").layout)
    await ground.pull(f"{proxy.address}/tool")
    proxy.seen.clear()

    await ground.pull(f"{proxy.address}/tool", PullPolicy.ALWAYS)

    assert len(proxy.asked(MANIFESTS)) == 1
    assert proxy.asked(BLOBS) == []


async def test_always_fails_where_the_registry_does(ground: Ground, real: RealRegistry) -> None:
    layout = image(ground.directory / "oci").layout
    tag = parse_reference(f"{real.address}/not-there")
    await ground.store.import_layout(HostPath(str(layout)), tag)

    with pytest.raises(BboxError) as caught:
        await ground.pull(str(tag), PullPolicy.ALWAYS)

    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND


async def test_a_build_of_this_machine_wins(ground: Ground, proxy: FaultyProxy) -> None:
    RealRegistry(proxy.upstream).push("own", image(ground.directory / "one", text="1").layout)
    built = image(ground.directory / "two", text="built").layout
    tag = parse_reference(f"{proxy.address}/own")
    await ground.store.import_layout(HostPath(str(built)), tag)

    for policy in (PullPolicy.IF_NOT_PRESENT, PullPolicy.BACKGROUND, PullPolicy.NEVER):
        root = await ground.pull(str(tag), policy)
        assert read(root, "name") == b"built"

    assert proxy.seen == []
    assert ground.refreshed == []


async def test_background_uses_what_is_here_and_has_it_looked_after_once_an_hour(
    ground: Ground, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    RealRegistry(proxy.upstream).push("tool", image(ground.directory / "oci").layout)
    name = f"{proxy.address}/tool"
    first = await ground.pull(name, PullPolicy.BACKGROUND)
    proxy.seen.clear()
    await ground.pull(name, PullPolicy.BACKGROUND)
    at_once = list(ground.refreshed)

    monkeypatch.setattr("bbox_server.infra.images.store._REFRESH_AFTER_S", 0)
    later = await ground.pull(name, PullPolicy.BACKGROUND)

    assert later == first
    assert (at_once, ground.refreshed) == ([], [f"{name}:latest"])
    assert proxy.seen == []


async def test_two_pulls_at_once_download_a_layer_once(ground: Ground, proxy: FaultyProxy) -> None:
    made = image(ground.directory / "oci")
    RealRegistry(proxy.upstream).push("tool", made.layout)

    async with asyncio.TaskGroup() as tasks:
        pulls = [tasks.create_task(ground.pull(f"{proxy.address}/tool")) for _ in range(3)]

    assert len({pull.result().path for pull in pulls}) == 1
    assert len(proxy.asked(made.digest)) == 1


async def test_images_share_the_layers_that_they_have_in_common(
    ground: Ground, proxy: FaultyProxy
) -> None:
    writer = oci.LayoutWriter(ground.directory / "oci")
    shared = writer.layer(oci.tar(oci.member("shared")))
    for name in ("one", "two"):
        own = writer.layer(oci.tar(oci.member(name)))
        RealRegistry(proxy.upstream).push(name, writer.index(writer.manifest(shared, own)))

    for name in ("one", "two"):
        await ground.pull(f"{proxy.address}/{name}")

    assert len(proxy.asked(str(shared["digest"]))) == 1
    assert len(ground.layers) == 3


async def test_afresh_takes_nothing_from_what_is_here(ground: Ground, proxy: FaultyProxy) -> None:
    made = image(ground.directory / "oci")
    RealRegistry(proxy.upstream).push("tool", made.layout)
    first = await ground.pull(f"{proxy.address}/tool")

    again = await ground.store.refetch(parse_reference(f"{proxy.address}/tool"))

    assert again == first
    assert read(again, "name") == b"1"
    assert len(proxy.asked(made.digest)) == 2
    assert ground.litter() == []


async def test_a_pull_that_is_interrupted_goes_on_where_it_was(
    ground: Ground, proxy: FaultyProxy
) -> None:
    made = image(ground.directory / "oci")
    RealRegistry(proxy.upstream).push("tool", made.layout)
    proxy.fail(made.digest, cut_after(100_000))
    proxy.fail(made.digest, says(500), times=2)
    with pytest.raises(BboxError):
        await ground.pull(f"{proxy.address}/tool")
    proxy.seen.clear()

    root = await ground.pull(f"{proxy.address}/tool")

    (request,) = proxy.asked(made.digest)
    assert int(request.headers["Range"].removeprefix("bytes=").removesuffix("-")) >= 100_000
    assert read(root, "name") == b"1"


async def test_a_spoilt_part_is_thrown_away(ground: Ground, proxy: FaultyProxy) -> None:
    made = image(ground.directory / "oci")
    RealRegistry(proxy.upstream).push("tool", made.layout)
    part = ground.store.root / "layers" / f"{made.digest.removeprefix('sha256:')}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"another")

    root = await ground.pull(f"{proxy.address}/tool")

    assert read(root, "name") == b"1"
    assert len(proxy.asked(made.digest)) == 2
