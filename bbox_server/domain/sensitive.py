# SPDX-License-Identifier: Apache-2.0
"""Which paths can do something to the host by being there (compat REV-04, REV-05, P-02..P-04).

Names are compared folded (case, Unicode form, ignorable characters, trailing dots and spaces),
because the workspace may lie on a file system that takes such names for the same file.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from bbox_server.domain.change import Change, EntryKind, Tier
from bbox_server.domain.workspace import WorkspacePath

# HFS+ ignores these in names (TN1150; git's utf8.c, next_hfs_char).
_IGNORABLE: Final = frozenset(
    chr(code)
    for first, last in ((0x200C, 0x200F), (0x202A, 0x202E), (0x206A, 0x206F), (0xFEFF, 0xFEFF))
    for code in range(first, last + 1)
)

_GIT_NAMES: Final = frozenset({".git", "git~1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitiveRule:
    """Paths of one tier for one reason; all names are folded.

    Attributes:
        names: Last components, in any directory.
        directories: Everything below a directory of that name, anywhere.
        patterns: Globs of last components.
        rooted: Whole paths, or prefixes where they end in a slash, from the workspace's root.
        endings: The last components of a path, with slashes.
    """

    tier: Tier
    reason: str
    names: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    rooted: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()

    def matches(self, parts: tuple[str, ...]) -> bool:
        """Whether a folded path is one of these."""
        name = parts[-1]
        return (
            name in self.names
            or not self.directories.isdisjoint(parts)
            or any(fnmatchcase(name, pattern) for pattern in self.patterns)
            or self._matches_whole("/".join(parts))
        )

    def _matches_whole(self, path: str) -> bool:
        below = any(rooted[-1] == "/" and path.startswith(rooted) for rooted in self.rooted)
        ends = any(path == ending or path.endswith("/" + ending) for ending in self.endings)
        return below or ends or path in self.rooted


RULES: Final = (
    SensitiveRule(
        tier=Tier.EXECUTES_ON_HOST,
        reason="git runs it as a hook",
        directories=frozenset({".husky", ".githooks", ".git-hooks", ".lefthook"}),
        names=frozenset({".pre-commit-config.yaml", ".overcommit.yml", ".gitconfig"}),
        patterns=("lefthook*.y*ml", ".lefthook*.y*ml", "lefthook*.toml", ".lefthook*.toml",
                  "lefthook*.json", ".lefthook*.json"),
    ),
    SensitiveRule(
        tier=Tier.EXECUTES_ON_HOST,
        reason="the shell runs it when you enter the folder or log in",
        directories=frozenset({".direnv", ".mise"}),
        names=frozenset({
            ".envrc", ".autoenv", "mise.toml", ".mise.toml", "mise.local.toml",
            ".mise.local.toml", ".bashrc", ".bash_profile", ".bash_login", ".profile", ".zshrc",
            ".zshenv", ".zprofile", ".zlogin",
        }),
        rooted=(".config/fish/", ".config/autostart/", ".config/systemd/"),
    ),
    SensitiveRule(
        tier=Tier.EXECUTES_ON_HOST,
        reason="the editor runs it or runs what it names",
        directories=frozenset({".idea", ".zed", ".helix", ".nvim"}),
        names=frozenset({
            ".exrc", ".nvimrc", ".nvim.lua", ".vimrc", ".gvimrc", ".lvimrc", ".dir-locals.el",
            ".dir-locals-2.el", ".luarc.json", ".luarc.jsonc", ".vscode",
        }),
        patterns=("*.code-workspace",),
        endings=(
            ".vscode/tasks.json", ".vscode/settings.json", ".vscode/launch.json",
            ".vscode/mcp.json", ".vscode/c_cpp_properties.json",
        ),
    ),
    SensitiveRule(
        tier=Tier.EXECUTES_ON_HOST,
        reason="a coding agent on the host runs what it names",
        directories=frozenset({
            ".claude", ".cursor", ".gemini", ".codex", ".opencode", ".hermes", ".windsurf",
            ".kiro", ".continue", ".roo", ".cline", ".qwen", ".amp", ".goose", ".junie",
        }),
        names=frozenset({
            ".mcp.json", "opencode.json", "opencode.jsonc", ".aider.conf.yml", ".crush.json",
            "crush.json",
        }),
    ),
    SensitiveRule(
        tier=Tier.EXECUTES_ON_HOST,
        reason="an interpreter or debugger runs it at its start",
        names=frozenset({
            "sitecustomize.py", "usercustomize.py", ".gdbinit", ".lldbinit", ".rprofile",
            ".irbrc", ".pryrc", ".pythonrc",
        }),
        patterns=("*.pth",),
    ),
    SensitiveRule(
        tier=Tier.BUILD_FILE,
        reason="git acts on it",
        names=frozenset({".gitattributes", ".gitmodules"}),
    ),
    SensitiveRule(
        tier=Tier.BUILD_FILE,
        reason="it runs when you build, install or test",
        directories=frozenset({".cargo", ".mvn"}),
        names=frozenset({
            "makefile", "gnumakefile", "taskfile.yaml", "taskfile.yml", "taskfile.dist.yaml",
            "taskfile.dist.yml", "justfile", ".justfile", "package.json", "pyproject.toml",
            "setup.py", "conftest.py", "tox.ini", "pytest.ini", "noxfile.py", "fabfile.py",
            "dodo.py", "sconstruct", "sconscript", "wscript", "meson.build", "cmakelists.txt",
            "cmakepresets.json", "configure", "configure.ac", "autogen.sh", "build.rs",
            "cargo.toml", "rust-toolchain", "rust-toolchain.toml", "gemfile", "rakefile",
            "gradlew", "gradlew.bat", "mvnw", "mvnw.cmd", "build.gradle", "build.gradle.kts",
            "settings.gradle", "settings.gradle.kts", "gradle.properties", "pom.xml",
            "build.xml", "build.sbt", "flake.nix", "shell.nix", "default.nix", "devenv.nix",
            ".pnpmfile.cjs", ".pnpmfile.mjs", ".yarnrc", ".yarnrc.yml", ".npmrc", "bunfig.toml",
            "deno.json", "deno.jsonc", ".bazelrc", "build.bazel", "workspace.bazel",
            "module.bazel", "mix.exs", "rebar.config", "package.swift", "podfile", "fastfile",
            "directory.build.props", "directory.build.targets", "setup.hs", "build.zig",
            "xmake.lua", "premake5.lua", "vagrantfile", "tiltfile", "skaffold.yaml", "procfile",
            "brewfile", ".tool-versions", ".clangd",
        }),
        patterns=(
            "*.mk", "*.just", "*.cmake", "*.bzl", "*.gemspec", "*.csproj", "*.fsproj",
            "*.vbproj", "*.config.[cm][jt]s", "*.config.[jt]s", ".*rc.[cm][jt]s", ".*rc.[jt]s",
        ),
        endings=("gradle/wrapper/gradle-wrapper.jar", "gradle/wrapper/gradle-wrapper.properties"),
        rooted=(".yarn/releases/", ".yarn/plugins/"),
    ),
    SensitiveRule(
        tier=Tier.BUILD_FILE,
        reason="it runs when a container is built or started",
        directories=frozenset({".devcontainer"}),
        names=frozenset({"dockerfile", "containerfile", "docker-bake.hcl", ".devcontainer.json"}),
        patterns=(
            "dockerfile.*", "*.dockerfile", "containerfile.*", "docker-compose*.y*ml",
            "compose*.y*ml",
        ),
    ),
    SensitiveRule(
        tier=Tier.BUILD_FILE,
        reason="CI runs it",
        directories=frozenset({".circleci", ".buildkite", ".teamcity"}),
        names=frozenset({
            "jenkinsfile", "azure-pipelines.yml", "azure-pipelines.yaml",
            "bitbucket-pipelines.yml", ".drone.yml", ".cirrus.yml", "appveyor.yml",
            ".appveyor.yml", "cloudbuild.yaml", "buildspec.yml",
        }),
        rooted=(
            ".github", ".github/workflows", ".github/workflows/", ".github/actions/", ".gitlab/",
            ".gitlab-ci.yml", ".travis.yml", ".forgejo/", ".gitea/", ".woodpecker/",
            ".woodpecker.yml",
        ),
    ),
)  # fmt: skip


@lru_cache(maxsize=65536)
def fold(name: str) -> str:
    """One component as the most forgiving file system compares it.

    APFS and HFS+ fold case and Unicode form and skip ignorable characters; NTFS drops trailing
    dots and spaces and takes what follows a colon for a stream of the same file.
    """
    if not name.isascii():
        kept = "".join(char for char in name if char not in _IGNORABLE)
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFD", kept).casefold())
    lowered = name.lower()
    return lowered.partition(":")[0].rstrip(". ") or lowered


def folded_parts(path: WorkspacePath) -> tuple[str, ...]:
    """All components of a path, folded."""
    return tuple(fold(part) for part in path.parts)


def git_directories(paths: Iterable[WorkspacePath]) -> frozenset[tuple[str, ...]]:
    """Folded directories that git would take for a repository (P-03), among all paths of a side.

    Give it the agent's whole view: a change may add the one part that was missing.
    """
    markers = frozenset({"head", "objects", "refs", "commondir"})
    found: dict[tuple[str, ...], set[str]] = {}
    for path in paths:
        parts = folded_parts(path)
        for index, part in enumerate(parts):
            if index and part in markers:
                found.setdefault(parts[:index], set()).add(part)
    return frozenset(
        parts
        for parts, names in found.items()
        if "head" in names and ("commondir" in names or {"objects", "refs"} <= names)
    )


def rule_for(path: WorkspacePath) -> SensitiveRule | None:
    """The first rule that a path matches."""
    parts = folded_parts(path)
    return next((rule for rule in RULES if rule.matches(parts)), None)


def is_git_internal(path: WorkspacePath, shaped: frozenset[tuple[str, ...]] = frozenset()) -> bool:
    """Whether a path is `.git` or below one, under any of its names, or in a git-shaped tree."""
    parts = folded_parts(path)
    return not _GIT_NAMES.isdisjoint(parts) or any(
        parts[:length] in shaped for length in range(1, len(parts) + 1) if shaped
    )


def classify(
    path: WorkspacePath,
    *,
    is_secret: Callable[[WorkspacePath], bool] = lambda _path: False,
    shaped: frozenset[tuple[str, ...]] = frozenset(),
) -> Tier:
    """The tier of a path. `shaped` comes from `git_directories`, `is_secret` from the excludes."""
    if is_git_internal(path, shaped):
        return Tier.GIT_INTERNAL
    if is_secret(path):
        return Tier.SECRET
    rule = rule_for(path)
    return Tier.ORDINARY if rule is None else rule.tier


def explain(path: WorkspacePath) -> str:
    """Why a path is not ordinary, as the end of a sentence; empty for ordinary ones."""
    rule = rule_for(path)
    return "" if rule is None else rule.reason


def becomes_executable(change: Change) -> bool:
    """Whether a flush makes a file executable that was not, or adds an executable one."""
    agent = change.agent
    if agent is None or agent.kind is not EntryKind.FILE or not agent.mode & 0o111:
        return False
    was = change.baseline
    return was is None or was.kind is not EntryKind.FILE or not was.mode & 0o111
