# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.credential import PlaceholderToken
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git_token import git_routes, git_settings, github_repositories

PLACEHOLDER = PlaceholderToken("placeholder")


@pytest.mark.parametrize(
    ("remote", "found"),
    [
        ("https://github.com/o/r.git", ("o/r",)),
        ("https://github.com/o/r", ("o/r",)),
        ("https://github.com/o/r/", ("o/r",)),
        ("https://user:secret@github.com/o/r.git", ("o/r",)),
        ("git@github.com:o/r.git", ("o/r",)),
        ("ssh://git@github.com/o/r.git", ("o/r",)),
        ("https://github.com:8443/o/r.git", ()),
        ("https://github.com.evil.org/o/r.git", ()),
        ("https://evil.org/github.com/o/r.git", ()),
        ("https://evil@github.com@evil.org/o/r", ()),
        ("http://github.com/o/r.git", ()),
        ("https://api.github.com/o/r.git", ()),
        ("https://github.com/o/..", ()),
        ("https://github.com/o/r.git/../x", ()),
        ("https://github.com/o", ()),
        ("/srv/github.com/o/r.git", ()),
        ("", ()),
    ],
)
def test_only_repositories_of_github_are_served(remote: str, found: tuple[str, ...]) -> None:
    assert github_repositories([remote]) == found


@given(st.text(max_size=60))
def test_whatever_a_remote_says_a_mount_stays_below_git(remote: str) -> None:
    for prefix in ("https://github.com/", "git@github.com:", ""):
        for name in github_repositories([prefix + remote]):
            owner, _, repository = name.partition("/")
            assert "/" not in repository
            assert repository not in {"", ".", ".."}
            assert owner.replace("-", "").isalnum()


def test_the_key_is_what_git_is_answered_on() -> None:
    (served,) = git_routes(["git@github.com:o/r.git"], {"GH_TOKEN": " token "})
    assert served.route.mount == "/git/o/r.git"
    assert served.route.upstream == "https://github.com/o/r.git"
    assert served.key.value == "eC1hY2Nlc3MtdG9rZW46dG9rZW4="  # x-access-token:token


@pytest.mark.parametrize(
    ("remotes", "environ", "named"),
    [
        (["https://gitlab.com/o/r.git"], {"GITHUB_TOKEN": "t"}, "No remote"),
        ([], {"GITHUB_TOKEN": "t"}, "No remote"),
        (["https://github.com/o/r.git"], {}, "GITHUB_TOKEN"),
        (["https://github.com/o/r.git"], {"GITHUB_TOKEN": "a b"}, "GITHUB_TOKEN"),
    ],
)
def test_a_token_without_a_use_is_said(
    remotes: list[str], environ: dict[str, str], named: str
) -> None:
    with pytest.raises(BboxError) as caught:
        git_routes(remotes, environ)
    assert caught.value.code is ErrorCode.CREDENTIAL_MISSING
    assert named in caught.value.cause


def test_a_rewrite_takes_no_other_repository_unless_it_must() -> None:
    with_suffix = git_settings(["https://github.com/o/r.git"], PLACEHOLDER, "http://gateway")
    rewritten = {one.value for one in with_suffix if one.key == "insteadOf"}
    assert all(value and value.endswith(".git") for value in rewritten)
    without = git_settings(["https://github.com/o/r"], PLACEHOLDER, "http://gateway")
    assert "https://github.com/o/r" in {one.value for one in without}
