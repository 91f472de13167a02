# SPDX-License-Identifier: Apache-2.0
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bbox_server.domain.change import Tier
from bbox_server.domain.sensitive import (
    RULES,
    classify,
    explain,
    fold,
    git_directories,
    is_git_internal,
)


def tier(path: str) -> Tier:
    return classify(PurePosixPath(path))


@pytest.mark.parametrize(
    "path",
    [
        ".git", ".git/config", ".git/hooks/pre-commit", "sub/.git/HEAD", ".GIT/config",
        ".git /config", ".git./config", ".git. . /x", ".g\u200cit/config", ".gi\u200dt/config",
        "\ufeff.git/config", ".git::$INDEX_ALLOCATION/config", "git~1/config", "GIT~1/x",
        "a/b/.giT",
    ],
)  # fmt: skip
def test_every_alias_of_a_git_directory_is_git_internal(path: str) -> None:
    assert tier(path) is Tier.GIT_INTERNAL


@pytest.mark.parametrize("path", [".gitignore", ".gitx/config", "git/config", "x.git", ".git-x"])
def test_what_only_looks_like_one_is_not(path: str) -> None:
    assert tier(path) is not Tier.GIT_INTERNAL


@pytest.mark.parametrize(
    "path",
    [
        ".husky/pre-commit", ".Husky/_/h", "sub/.pre-commit-config.yaml", "lefthook.yml",
        ".lefthook-local.yaml", ".vscode/tasks.json", "pkg/.VSCODE/Settings.JSON", ".vscode",
        ".claude/settings.json", "sub/.claude/commands/x.md", ".mcp.json", ".cursor/mcp.json",
        ".gemini/settings.json", ".codex/config.toml", ".idea/workspace.xml", ".exrc",
        ".nvim.lua", "all.code-workspace", "mise.toml", ".bashrc", "evil.pth", ".envrc",
    ],
)  # fmt: skip
def test_what_runs_by_itself_is_decided_on_its_own(path: str) -> None:
    assert tier(path) is Tier.EXECUTES_ON_HOST
    assert explain(PurePosixPath(path))


@pytest.mark.parametrize(
    "path",
    [
        "Makefile", "sub/makefile", "GNUmakefile", "rules.mk", "package.json", "f/package.json",
        "pyproject.toml", "setup.py", "conftest.py", "build.rs", "CMakeLists.txt", "Dockerfile",
        "Dockerfile.dev", "docker-compose.override.yml", ".github/workflows/ci.yml", ".github",
        ".gitlab-ci.yml", ".devcontainer/x/devcontainer.json", ".cargo/config.toml", "justfile",
        "gradlew", "vite.config.mts", ".eslintrc.cjs", ".gitattributes", "a/.gitmodules",
        ".yarn/releases/yarn-4.cjs",
    ],
)  # fmt: skip
def test_build_files_are_confirmed_by_name(path: str) -> None:
    assert tier(path) is Tier.BUILD_FILE
    assert explain(PurePosixPath(path))


@pytest.mark.parametrize(
    "path",
    [
        "main.go", "package-lock.json", "setup.cfg", ".github/CODEOWNERS", "sub/.gitlab-ci.yml",
        "sub/.travis.yml", "docs/makefile.md", ".vscode/extensions.json", "yarn/releases/x",
    ],
)  # fmt: skip
def test_the_rest_is_ordinary(path: str) -> None:
    assert tier(path) is Tier.ORDINARY
    assert explain(PurePosixPath(path)) == ""


def test_a_secret_is_secret_before_it_is_anything_else() -> None:
    path = PurePosixPath(".envrc")

    assert classify(path, is_secret=lambda _: True) is Tier.SECRET
    assert classify(PurePosixPath(".git/x"), is_secret=lambda _: True) is Tier.GIT_INTERNAL


@pytest.mark.parametrize(
    "parts",
    [("HEAD", "objects/pack", "refs/heads"), ("head", "commondir"), ("HEAD", "OBJECTS", "Refs")],
)
def test_a_tree_that_git_would_take_for_a_repository_is_git_internal(
    parts: tuple[str, ...],
) -> None:
    shaped = git_directories(PurePosixPath("evil.git", part) for part in parts)

    for name in ("evil.git/config", "evil.git/hooks/post-checkout", "Evil.git/x", "evil.git"):
        assert classify(PurePosixPath(name), shaped=shaped) is Tier.GIT_INTERNAL
    assert classify(PurePosixPath("evil.gi/config"), shaped=shaped) is Tier.ORDINARY


def test_parts_of_a_repository_are_no_repository() -> None:
    paths = [PurePosixPath("a/HEAD"), PurePosixPath("a/objects/x"), PurePosixPath("b/refs/x")]

    assert git_directories(paths) == frozenset()


@example(":A")
@given(st.text(max_size=12))
def test_folding_is_stable(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    assert fold(name.upper()) == fold(name.upper().lower())


@given(
    st.sampled_from([".git", ".Git", "gIT~1"]),
    st.text(alphabet="\u200c\u200d\ufeff\u202e", max_size=4),
)
def test_ignorable_characters_hide_no_git_directory(name: str, hidden: str) -> None:
    for position in range(len(name) + 1):
        path = PurePosixPath(name[:position] + hidden + name[position:], "config")
        assert is_git_internal(path)


def test_the_rules_are_written_folded() -> None:
    for rule in RULES:
        for name in (*rule.names, *rule.directories, *rule.endings, *rule.rooted):
            assert name == name.lower()
