# SPDX-License-Identifier: Apache-2.0
import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.excludes import SECURITY_PATTERNS, is_secret, secret_rule


@pytest.mark.parametrize("pattern", SECURITY_PATTERNS)
def test_every_security_pattern_matches_something(pattern: str) -> None:
    path = PurePosixPath("deep", pattern.replace("*", "x"))
    assert secret_rule(path, is_directory=pattern.endswith("/")) == pattern


@pytest.mark.parametrize("pattern", [p for p in SECURITY_PATTERNS if p.endswith("/")])
def test_what_is_in_a_secret_directory_is_secret(pattern: str) -> None:
    assert is_secret(PurePosixPath("a", pattern, "b/c"))


@pytest.mark.parametrize(
    "name",
    [
        ".ENV",
        ".Env.local",
        "ID_RSA",
        "server.PEM",
        ".env.",
        ".env ",
        "server.pem. .",
        ".e\u200cnv",
        "cre\u200ddentials.json",
        "server.pem:stream",
        "a:b.pem",
        "creden\u0301tials.json".replace("\u0301", "\ufeff"),
        "KEY.KEY",
        ".\uff45\uff4e\uff56",
        "server.\uff30EM",
        "\u212aey.\u212aey",
        "x.tfstate.7.backup",
    ],
)
def test_other_names_of_the_same_file_are_secret(name: str) -> None:
    assert is_secret(PurePosixPath("a", name))


@pytest.mark.parametrize(
    "path",
    [
        "env",
        "my.env",
        "pem",
        "a.pem.txt",
        "ssh/config",
        ".ssh",
        "config/gcloud/x",
        "docker/config.json",
    ],
)
def test_ordinary_names_are_not(path: str) -> None:
    assert not is_secret(PurePosixPath(path))


def test_a_rule_of_several_components_needs_all_of_them() -> None:
    found = [secret_rule(PurePosixPath(path)) for path in ("x/.kube/config", "x/kube/config")]
    assert found == [".kube/config", None]


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1))
def test_any_path_has_an_answer(parts: list[str]) -> None:
    path = PurePosixPath(*[part for part in parts if part not in {".", ".."}] or ["a"])
    assert isinstance(is_secret(path), bool)


SECRETS = ["server.pem", ".env.local", "id_rsa", "credentials.json", "a.tfstate.1", ".npmrc"]
# What a disk, or whoever normalises a name, may take for the same letter.
OTHER_FORMS = {"k": "\u212a", "s": "\u017f"}


@given(st.sampled_from(SECRETS), st.data())
def test_no_other_form_of_a_letter_shows_a_secret(name: str, data: st.DataObject) -> None:
    forms = st.sampled_from([str.lower, str.upper, _full_width, _other_form])
    disguised = "".join(data.draw(forms)(char) for char in name)
    assert is_secret(PurePosixPath("a", disguised))
    assert is_secret(PurePosixPath("a", unicodedata.normalize("NFD", disguised)))


def _full_width(char: str) -> str:
    return chr(ord(char) + 0xFEE0) if char.isalnum() else char


def _other_form(char: str) -> str:
    return OTHER_FORMS.get(char, char)
