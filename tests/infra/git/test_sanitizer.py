# SPDX-License-Identifier: Apache-2.0
"""What git itself reads in a sanitized configuration, whatever it was made of (GIT-01, P-29)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.git import ALLOWED, Setting, without_credentials
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.git_layout import safe_config, standalone_config

GIT = GitCommand()
LEAK = "hunter2"
HEADERS = st.sampled_from(
    [
        *(f"[{section}]" for section in ALLOWED),
        *(f'[{section} "x.y\\"z"]' for section in ALLOWED),
        *("[credential]", "[include]", "[CORE]", "[remote.origin]", "[alias]", "[http]", "[core"),
        f'[url "https://u:{LEAK}@example.org/"]',
        f'[remote "https://u:{LEAK}@example.org/"]',
    ]
)
KEYS = st.sampled_from(
    [
        *sorted({key for keys in ALLOWED.values() for key in keys} - {"*"}),
        *("sshCommand", "hooksPath", "pager", "helper", "path", "driver", "textconv", "vcs"),
        *("UPLOADPACK", "fsmonitor", "insteadOf", "askPass", "gitProxy", "worktreeConfig"),
    ]
)
VALUES = st.sampled_from(
    [
        f"https://u:{LEAK}@example.org/r",
        f"https://{LEAK}@example.org/r",
        f'"https://u:{LEAK}@example.org/r" # note',
        f"https://u:{LEAK} \\\n  @example.org/r",
        *("!evil", "ext::sh -c evil", "true", "", '"', "\\", "/abs", "a ; b", "\\\n[core]"),
    ]
) | st.text(max_size=20)
LINES = st.one_of(
    HEADERS,
    st.builds(lambda key, value: f"\t{key} = {value}", KEYS, VALUES),
    st.builds(lambda header, key, value: f"{header} {key} = {value}", HEADERS, KEYS, VALUES),
    st.text(max_size=20),
)
CONFIGS = st.one_of(
    st.lists(LINES, max_size=12).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
    st.binary(max_size=60),
)


def is_allowed(setting: Setting) -> bool:
    return bool({setting.key, "*"} & ALLOWED.get(setting.section, frozenset()))


@settings(max_examples=150, deadline=None)
@given(CONFIGS)
def test_git_finds_only_allowed_keys_and_no_secret(config: bytes) -> None:
    for safe in (safe_config(config, GIT), standalone_config(config, GIT)):
        found = GIT.settings(safe)
        assert all(map(is_allowed, found))
        texts = [text for one in found for text in (one.subsection, one.value) if text]
        assert all(without_credentials(text) == text for text in texts)
        assert not any(LEAK in text and "://" in text for text in texts)


@settings(max_examples=60, deadline=None)
@given(CONFIGS)
def test_a_safe_config_is_as_safe_a_second_time(config: bytes) -> None:
    once = safe_config(config, GIT)
    assert safe_config(once, GIT) == once
