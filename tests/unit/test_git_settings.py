# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.git import ALLOWED, Setting, sanitized, serialized, without_credentials


def setting(key: str, value: str | None, section: str = "core", sub: str | None = None) -> Setting:
    return Setting(section=section, subsection=sub, key=key, value=value)


def is_kept(one: Setting) -> bool:
    return sanitized([one]) == (one,)


@pytest.mark.parametrize(
    "name",
    [
        "core.sshcommand", "core.pager", "core.editor", "core.fsmonitor", "core.hookspath",
        "core.askpass", "core.gitproxy", "core.attributesfile", "core.excludesfile",
        "core.alternaterefscommand", "core.worktreeconfig", "credential.helper",
        "alias.x", "include.path", "url.insteadof", "http.proxy", "http.extraheader",
        "filter.clean", "diff.external", "diff.textconv", "diff.command", "merge.driver",
        "remote.uploadpack", "remote.receivepack", "remote.proxy", "remote.vcs",
        "init.templatedir", "gpg.program", "commit.gpgsign", "sendemail.smtpserver",
        "uploadpack.packobjectshook", "protocol.allow", "safe.directory", "user.signingkey",
        "extensions.worktreeconfig", "branch.sshcommand", "sequence.editor", "lfs.url",
    ],
)  # fmt: skip
def test_what_names_a_program_a_file_or_a_secret_does_not_pass(name: str) -> None:
    section, _, key = name.partition(".")
    assert sanitized([setting(key, "x", section), setting(key, "x", section, "sub")]) == ()


@pytest.mark.parametrize(
    "one",
    [
        setting("bare", "false"),
        setting("filemode", None),
        setting("worktree", "../../../lib"),
        setting("url", "git@example.org:o/r.git", "remote", "origin"),
        setting("url", "ssh://git@example.org/o/r.git", "remote", "origin"),
        setting("url", "/srv/git/r.git", "remote", "origin"),
        setting("update", "rebase", "submodule", "lib"),
        setting("objectformat", "sha256", "extensions"),
        setting("partialclone", "origin", "extensions"),
        setting("anything", "false", "advice"),
        setting("description", "mail me@example.org about it", "branch", "main"),
    ],
)
def test_what_a_repository_needs_passes(one: Setting) -> None:
    assert is_kept(one)


@pytest.mark.parametrize(
    "one",
    [
        setting("worktree", "/home/user/elsewhere"),
        setting("update", "!evil", "submodule", "lib"),
        setting("url", "ext::sh -c evil", "remote", "origin"),
        setting("url", "https://user:pa/ss@example.org/r", "remote", "origin"),
        setting("url", "https://token x@example.org/r", "remote", "origin"),
        setting("url", "x https://user:pass@example.org/r", "remote", "origin"),
        setting("url", "https://example.org/r", "remote", "https://user:pass@example.org/"),
    ],
)
def test_values_that_name_a_secret_or_a_program_do_not_pass(one: Setting) -> None:
    assert sanitized([one]) == ()


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:token@example.org/r", "https://example.org/r"),
        ("https://token@example.org/r", "https://example.org/r"),
        ("https://user:p@ss@example.org/r", "https://example.org/r"),
        ("ssh://git@example.org/r", "ssh://git@example.org/r"),
        ("ssh://git:secret@example.org/r", "ssh://example.org/r"),
        ("git@example.org:r", "git@example.org:r"),
        ("https://example.org/a@b", "https://example.org/a@b"),
    ],
)
def test_urls_name_nobody_but_git(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


def test_no_key_is_allowed_twice_or_in_capitals() -> None:
    names = [name for keys in ALLOWED.values() for name in keys] + list(ALLOWED)
    assert names == [name.lower() for name in names]


def test_headers_are_written_once() -> None:
    settings = [setting("a", "1"), setting("b", "2"), setting("c", "3", "remote", "x")]
    assert serialized(settings) == b'[core]\n\ta = 1\n\tb = 2\n[remote "x"]\n\tc = 3\n'
