# SPDX-License-Identifier: Apache-2.0
"""Excludes: which paths the guest never gets (compat EXC), and which rule hides each.

Two tiers decide what enters a snapshot. The security tier is compared folded and can't be negated
(EXC-04, P-02); performance directories and the user's patterns have git's own semantics (P-68).
The diff hides what the snapshot hides, and more, never less (P-00).
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from bbox_server.domain.sensitive import fold
from bbox_server.domain.workspace import HostPath, WorkspacePath


class HideTier(StrEnum):
    """Where a hiding rule comes from."""

    SECURITY = "security"
    GIT_INTERNAL = "gitInternal"
    PERFORMANCE = "performance"
    USER = "user"
    GITIGNORE = "gitignore"


SECURITY_PATTERNS: Final = (
    ".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.truststore",
    "id_rsa*", "id_ed25519*", "id_ecdsa*", ".ssh/", ".aws/", ".gcp/", ".gcloud/", ".azure/",
    ".config/gcloud/", "credentials.json", ".git-credentials", ".netrc", ".npmrc",
    ".yarnrc.yml", ".pypirc", ".docker/config.json", ".kube/config", ".gnupg/", ".pgpass",
    ".vault-token", "*.tfstate*", "*.tfvars", ".terraform/", ".config/gh/hosts.yml",
    "age-key.txt", "*.age", ".broodbox.yaml", ".config/broodbox/",
)  # fmt: skip
"""Compat EXC-05. A slash in the middle doesn't anchor here: stricter than git, on purpose."""

PERFORMANCE_PATTERNS: Final = (
    "node_modules/", "vendor/", "__pycache__/", "target/", "build/", "dist/", ".venv/", ".tox/",
)  # fmt: skip
"""Compat EXC-06. A user's pattern may negate them."""

FOLDS: Final = ("casefold", "NFC", "NFKC")
"""How names are compared with the built-in tiers (P-02); what was built by less is built anew."""

GIT_INTERNAL_PATTERNS: Final = (".git/config", ".git/hooks/", ".git/modules/")
"""Compat EXC-07: only the diff hides these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternLine:
    """A pattern as it was written, and where.

    Attributes:
        source: A file of the workspace, or the option of the command line.
        number: Of the line, from 1 on; 0 where there are no lines.
    """

    text: str
    source: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Why a path is hidden: the tier, and the pattern as it was written.

    Attributes:
        source: Where it is written; empty for the built-in tiers.
        number: Of the line there, from 1 on; 0 where there are no lines.
    """

    tier: HideTier
    pattern: str
    source: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludeRules:
    """What a workspace and a user exclude; kept with a snapshot, so that its diff agrees.

    Attributes:
        file_patterns: Of `.broodboxignore`.
        extra_patterns: Of the command line.
        gitignore_patterns: Of git's own exclude file and the root `.gitignore`; the diff alone
            uses them.
        warnings: Lines that have no effect, and files that could not be used.
    """

    file_patterns: tuple[PatternLine, ...] = ()
    extra_patterns: tuple[PatternLine, ...] = ()
    gitignore_patterns: tuple[PatternLine, ...] = ()
    warnings: tuple[str, ...] = ()


IGNORE_FILE_LIMIT_BYTES: Final = 1 << 20
"""As brood-box's cap of a config file (compat CFG-03)."""

IgnoreFileReader = Callable[[WorkspacePath], bytes | None]
"""The content of an ignore file below the root; None when there is none that may be read."""


class PathMatcher(Protocol):
    """The rules as they apply in one directory; a hidden directory is not walked into."""

    def hidden(self, name: str, *, is_directory: bool) -> Hidden | None:
        """The rule that hides an entry of this directory."""
        ...

    def below(self, name: str) -> "PathMatcher":
        """The rules in a visible directory of this one."""
        ...


class Excludes(Protocol):
    """Reads the patterns and makes matchers of them."""

    def load(self, workspace: HostPath, extra: tuple[str, ...]) -> ExcludeRules:
        """The rules of a workspace. Raises: exclude.invalid."""
        ...

    def snapshot_matcher(self, rules: ExcludeRules) -> PathMatcher:
        """What stays out of a snapshot, from the workspace's root on."""
        ...

    def diff_matcher(self, rules: ExcludeRules, ignore_files: IgnoreFileReader) -> PathMatcher:
        """What is withheld from a review when the agent makes it, from the root on.

        Args:
            rules: As they were when the snapshot was taken.
            ignore_files: Reads the `.gitignore` of a directory below the root when it is entered.
        """
        ...


def hiding_rule(root: PathMatcher, path: WorkspacePath, *, is_directory: bool) -> Hidden | None:
    """The rule that hides a path, or the directory nearest to the root that it lies in."""
    matcher = root
    for name in path.parts[:-1]:
        rule = matcher.hidden(name, is_directory=True)
        if rule is not None:
            return rule
        matcher = matcher.below(name)
    return matcher.hidden(path.name, is_directory=is_directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedPatterns:
    """Patterns that compare folded names, in any directory; nothing negates them."""

    names: dict[str, str]
    directories: dict[str, str]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    parts: tuple[str, ...]
    endings: dict[str, tuple[tuple[tuple[str, ...], bool, str], ...]]

    def match(self, name: str, parents: Sequence[str], *, is_directory: bool) -> str | None:
        """The pattern that matches an entry.

        Args:
            name: As it is on the disk.
            parents: The folded names of the directories it lies in, the nearest last.
            is_directory: Whether the patterns of directories count.
        """
        found = self._match_folded(fold(name), parents, is_directory=is_directory)
        if found is not None or (name.isascii() and ":" not in name):
            return found
        # fold() cuts an NTFS stream's name off; elsewhere a colon is an ordinary character. And
        # what only looks like the name (full-width letters, ligatures) may become it on a disk.
        for other in (name.casefold(), unicodedata.normalize("NFKC", name).casefold()):
            found = self._match_folded(other, parents, is_directory=is_directory)
            if found is not None:
                return found
        return None

    def _match_folded(self, name: str, parents: Sequence[str], *, is_directory: bool) -> str | None:
        if is_directory and name in self.directories:
            return self.directories[name]
        if name in self.names:
            return self.names[name]
        if parents and name in self.endings:
            return self._match_ending(name, parents, is_directory=is_directory)
        if name.startswith(self.prefixes) or name.endswith(self.suffixes):
            return self._affix(name)
        return next((f"*{part}*" for part in self.parts if part in name), None)

    def _match_ending(self, name: str, parents: Sequence[str], *, is_directory: bool) -> str | None:
        for above, directory_only, pattern in self.endings[name]:
            ends = tuple(parents[-len(above) :]) == above
            if ends and (is_directory or not directory_only):
                return pattern
        return None

    def _affix(self, name: str) -> str:
        prefix = next((prefix for prefix in self.prefixes if name.startswith(prefix)), None)
        if prefix is not None:
            return f"{prefix}*"
        return next(f"*{suffix}" for suffix in self.suffixes if name.endswith(suffix))


def folded_patterns(patterns: Sequence[str]) -> FoldedPatterns:
    """Sort patterns of the few shapes that the built-in tiers use."""
    plain = [pattern for pattern in patterns if "*" not in pattern]
    single = [pattern for pattern in plain if "/" not in pattern.rstrip("/")]
    endings: dict[str, tuple[tuple[tuple[str, ...], bool, str], ...]] = {}
    for pattern in plain:
        *above, last = pattern.rstrip("/").split("/")
        if above:
            entry = (tuple(above), pattern.endswith("/"), pattern)
            endings[last] = (*endings.get(last, ()), entry)
    globs = [pattern for pattern in patterns if "*" in pattern]
    return FoldedPatterns(
        names={pattern: pattern for pattern in single if not pattern.endswith("/")},
        directories={pattern[:-1]: pattern for pattern in single if pattern.endswith("/")},
        prefixes=tuple(glob[:-1] for glob in globs if not glob.startswith("*")),
        suffixes=tuple(glob[1:] for glob in globs if not glob.endswith("*")),
        parts=tuple(glob[1:-1] for glob in globs if glob.startswith("*") and glob.endswith("*")),
        endings=endings,
    )


SECURITY: Final = folded_patterns(SECURITY_PATTERNS)
GIT_INTERNAL: Final = folded_patterns(GIT_INTERNAL_PATTERNS)

_PARENTS_COMPARED: Final = 2


def parents_below(parents: Sequence[str], name: str) -> tuple[str, ...]:
    """The folded names that patterns of several components are compared with, one level down."""
    return (*parents[-(_PARENTS_COMPARED - 1) :], fold(name))


def secret_rule(path: WorkspacePath, *, is_directory: bool = False) -> str | None:
    """The security pattern that a path, or a directory it lies in, matches."""
    parents: tuple[str, ...] = ()
    for name in path.parts[:-1]:
        found = SECURITY.match(name, parents, is_directory=True)
        if found is not None:
            return found
        parents = parents_below(parents, name)
    return SECURITY.match(path.name, parents, is_directory=is_directory) if path.name else None


def is_secret(path: WorkspacePath) -> bool:
    """Whether a path may hold a secret: never shown to a guest, never flushed."""
    return secret_rule(path) is not None
