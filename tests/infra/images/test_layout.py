# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.image_config import decode_config, encode_config
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.layout import OciLayout
from tests.infra.images import oci

FILE = oci.tar(oci.member("a"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
CONFIG_KEYS = ("Env", "WorkingDir", "User", "Entrypoint", "Cmd", "Labels")


def refusal(root: Path) -> BboxError:
    with pytest.raises(BboxError) as caught:
        OciLayout(root=root).image("amd64")
    return caught.value


def test_an_image_is_read_with_its_configuration(tmp_path: Path) -> None:
    config: dict[str, object] = {
        "Env": ["A=1", "B=x=y", "not a name=1", "C"],
        "WorkingDir": "work",
        "User": "1000:1000",
        "Entrypoint": ["/bin/a"],
        "Cmd": None,
        "Labels": {"l": "v"},
    }
    root = oci.LayoutWriter(tmp_path, config=config).image(FILE, FILE)

    image = OciLayout(root=root).image("amd64")

    assert image.config.env == {"A": "1", "B": "x=y"}
    assert (image.config.workdir, image.config.user) == ("/work", "1000:1000")
    assert image.config.command(("x",)) == ("/bin/a", "x")
    assert len(image.layers) == 2


def test_the_image_of_this_platform_is_chosen(tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path)
    entries = []
    for architecture in ("arm64", "amd64"):
        writer.architecture = architecture
        platform = {"os": "linux", "architecture": architecture}
        entries.append({**writer.manifest(writer.layer(FILE)), "platform": platform})
    inner = json.dumps({"manifests": entries}).encode()
    root = writer.index({"mediaType": oci.INDEX, **writer.blob(inner)})

    image = OciLayout(root=root).image("arm64")

    assert f"sha256:{image.digest}" == entries[0]["digest"]


def test_another_platforms_image_is_refused(tmp_path: Path) -> None:
    error = refusal(oci.LayoutWriter(tmp_path, architecture="arm64").image(FILE))

    assert error.code is ErrorCode.IMAGE_UNSUPPORTED
    assert "linux/amd64" in error.cause


def test_two_images_for_this_platform_are_ambiguous(tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path)
    one = writer.manifest(writer.layer(FILE))
    root = writer.index(one, one)

    assert refusal(root).code is ErrorCode.IMAGE_UNSUPPORTED


def test_a_manifest_with_another_digest_is_corrupt(tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path)
    manifest = writer.manifest(writer.layer(FILE))
    digest = str(manifest["digest"]).removeprefix("sha256:")
    (tmp_path / "blobs" / "sha256" / digest).write_text("{}")

    error = refusal(writer.index(manifest))

    assert error.code is ErrorCode.IMAGE_CORRUPT
    assert digest in error.cause


def test_a_missing_layer_is_corrupt(tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path)
    layer = writer.layer(FILE)
    root = writer.index(writer.manifest(layer))
    (tmp_path / "blobs" / "sha256" / str(layer["digest"]).removeprefix("sha256:")).unlink()

    assert refusal(root).code is ErrorCode.IMAGE_CORRUPT


def test_a_layer_of_an_unknown_type_is_refused_by_name(tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path)
    layer = {**writer.layer(FILE), "mediaType": "application/x-encrypted"}

    assert "application/x-encrypted" in refusal(writer.index(writer.manifest(layer))).cause


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "md5:0", "sha256:" + "A" * 64, 5])
def test_a_digest_that_is_none_opens_no_file(tmp_path: Path, digest: object) -> None:
    root = oci.LayoutWriter(tmp_path).index({"mediaType": oci.MANIFEST, "digest": digest})

    assert refusal(root).code is ErrorCode.IMAGE_CORRUPT


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path)
    layer = writer.layer(FILE)

    assert "257 layers" in refusal(writer.index(writer.manifest(*[layer] * 257))).cause


def test_a_document_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b" " * (4 * 1024 * 1024 + 1))

    assert refusal(tmp_path).code is ErrorCode.IMAGE_CORRUPT


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(CONFIG_KEYS, JSON)))
def test_any_configuration_is_decoded_or_corrupt(value: object) -> None:
    document = JsonObject(members={"config": value}, where="a configuration")
    try:
        config = decode_config(document)
    except BboxError as error:
        code: ErrorCode | None = error.code
    else:
        code = None
        assert decode_config(_encoded(encode_config(config))) == config

    assert code in {None, ErrorCode.IMAGE_CORRUPT}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_corrupt(content: bytes) -> None:
    try:
        JsonObject.parse(content, where="a document")
    except BboxError as error:
        code: ErrorCode | None = error.code
    else:
        code = None

    assert code in {None, ErrorCode.IMAGE_CORRUPT}


def _encoded(config: dict[str, object]) -> JsonObject:
    return JsonObject.parse(json.dumps({"config": config}).encode(), where="it, encoded")
