# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.identity import (
    GitIdentity,
    UrlRewrite,
    author_environment,
    guest_config,
)


def test_the_guest_gets_name_and_address_in_file_and_environment() -> None:
    ada = GitIdentity(name="Ada", email="ada@example.org")
    assert guest_config(ada).endswith("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    assert author_environment(ada) == {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }


@pytest.mark.parametrize(
    "half",
    [
        GitIdentity(name="Ada"),
        GitIdentity(email="a@b"),
        GitIdentity(name="x" * 600, email="a@b"),
        GitIdentity(name="#;\x1b", email="a@b"),
    ],
)
def test_half_an_identity_is_none(half: GitIdentity) -> None:
    assert "[user]" not in guest_config(half)
    assert author_environment(half) == {}


@pytest.mark.parametrize(
    ("base", "is_carried"),
    [
        ("https://mirror.example.org/", True),
        ("https://user:token@example.org/", False),
        ("https://token@example.org/", False),
        ("git@github.com:", False),
        ("ssh://git@github.com/", False),
        ("/srv/mirror/", False),
        ("ext::sh -c evil ", False),
        ("https://a\n[core]", False),
        ("", False),
    ],
)
def test_rewrites_that_help_and_tell_nothing_are_carried(base: str, is_carried: bool) -> None:  # noqa: FBT001 - a parameter of the test's
    rewrite = UrlRewrite(base=base, instead_of="https://github.com/")
    assert ("insteadOf" in guest_config(GitIdentity(rewrites=(rewrite,)))) is is_carried
