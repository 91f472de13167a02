# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import (
    ImageConfig,
    ImageReference,
    ImageSource,
    names_registry,
    parse_reference,
)
from bbox_server.domain.workspace import HostPath

HEX = "0123456789abcdef" * 4


def refusal(text: str) -> BboxError:
    with pytest.raises(BboxError) as caught:
        parse_reference(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12-slim", "docker.io/library/debian:12-slim"),
        ("me/tool", "docker.io/me/tool:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest"),
        ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("registry.example.com:5000/foo/bar:1", "registry.example.com:5000/foo/bar:1"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        (f"ghcr.io/a/b@sha256:{HEX}", f"ghcr.io/a/b@sha256:{HEX}"),
        (f"ghcr.io/a/b:1@sha256:{HEX}", f"ghcr.io/a/b:1@sha256:{HEX}"),
        ("a/b__c.d-e--f", "docker.io/a/b__c.d-e--f:latest"),
        ("oci:/some/dir", "oci:/some/dir"),
        ("docker-archive:/f.tar", "docker-archive:/f.tar"),
    ],
)
def test_a_reference_has_one_full_form(text: str, full: str) -> None:
    assert str(parse_reference(text)) == full


def test_a_relative_path_starts_at_the_directory() -> None:
    reference = parse_reference("oci:build/x", directory=HostPath("/home/me"))

    assert reference == ImageReference(source=ImageSource.OCI_LAYOUT, name="/home/me/build/x")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        (" debian", "white space"),
        ("debian\n", "white space"),
        ("Debian", "'Debian' has capital letters"),
        ("ghcr.io/UPPER/x", "'UPPER' has capital letters"),
        ("a//b", "'' is no part"),
        ("a/-b", "'-b' is no part"),
        ("a:", "'' is no tag"),
        ("a:b:c", "'b:c' is no tag"),
        (f"a:{'t' * 129}", "is no tag"),
        ("a@sha256:abc", "64 lower-case"),
        (f"a@md5:{HEX}", "64 lower-case"),
        ("ex_ample.com/a", "'ex_ample.com' is no registry"),
        (f"ghcr.io/{'a' * 300}", "longer than 255"),
        ("oci:", "a path must follow"),
        ("-debian", "'-debian' is no part"),
    ],
)
def test_an_invalid_reference_names_the_part(text: str, part: str) -> None:
    error = refusal(text)

    assert error.code is ErrorCode.IMAGE_INVALID_REFERENCE
    assert part in error.cause


@given(st.text(max_size=80) | st.from_regex(r"[a-z.:/@-]{1,40}", fullmatch=True))
def test_any_text_is_a_stable_reference_or_refused(text: str) -> None:
    try:
        full = str(parse_reference(text))
    except BboxError as error:
        found = error.code
    else:
        found = ErrorCode.IMAGE_INVALID_REFERENCE
        assert str(parse_reference(full)) == full

    assert found is ErrorCode.IMAGE_INVALID_REFERENCE


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("localhost/x", True), ("aider", False), ("my.dir/aider.yaml", True), ("oci:/a.b/c", False)],
)
def test_only_a_name_with_its_registry_can_not_be_a_file(text: str, *, spelled: bool) -> None:
    assert names_registry(text) is spelled


def test_a_repository_is_the_last_part_of_a_name() -> None:
    assert parse_reference("ghcr.io/a/codex:1").repository == "codex"


def test_words_take_the_place_of_cmd_and_not_of_entrypoint() -> None:
    config = ImageConfig(entrypoint=("/init",), cmd=("sh",))

    assert config.command(()) == ("/init", "sh")
    assert config.command(("true",)) == ("/init", "true")
