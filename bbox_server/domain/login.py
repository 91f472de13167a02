# SPDX-License-Identifier: Apache-2.0
"""An agent's own login: what of it is kept between runs (compat CRD)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Protocol

FILE_BYTES: Final = 64 * 1024
FILES: Final = 100
"""Of one credential path."""

DEPTH: Final = 3
"""Directories below a credential path."""

_NAME_BYTES: Final = 255
_SHOWN: Final = 80
LOCK_NAME: Final = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFile:
    """One file of a login; `path` is relative to the home of the guest's user."""

    path: PurePosixPath
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedLogin:
    """An agent's saved login in one run.

    Attributes:
        paths: Where to look for it at the end, relative to the home.
        files: What the guest was given.
    """

    agent: str
    paths: tuple[PurePosixPath, ...]
    files: tuple[CredentialFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredentials:
    """What the guest had at the end.

    Attributes:
        present: Every path at which something lies, also what is refused.
        refused: What is not taken, each with its reason, for the user.
        complete: Everything was looked at: what is not present is really gone.
    """

    files: tuple[CredentialFile, ...]
    present: frozenset[PurePosixPath] = frozenset()
    refused: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUpdate:
    """What of a login is written and removed."""

    written: tuple[CredentialFile, ...] = ()
    removed: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A file of a saved login, as a list shows it."""

    path: PurePosixPath
    size: int
    modified_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedLogin:
    """What is kept for one agent."""

    agent: str
    files: tuple[SavedFile, ...]


class LoginStore(Protocol):
    """Logins on the host, for the user alone. Several sessions may use one at a time.

    A name that no agent can have is agent.invalid-name.
    """

    def load(self, agent: str, paths: tuple[PurePosixPath, ...]) -> tuple[CredentialFile, ...]:
        """The files at or below the paths, by path; others are none of the agent's business.

        Raises: credential.store-failed.
        """
        ...

    def save(
        self, agent: str, given: tuple[CredentialFile, ...], found: FoundCredentials
    ) -> CredentialUpdate:
        """Take over what a session changed, as `login_update` says; each file is old or new.

        Raises: credential.store-failed.
        """
        ...

    def list(self) -> tuple[SavedLogin, ...]:
        """Every saved login, by agent. Raises: credential.store-failed."""
        ...

    def clear(self, agent: str) -> bool:
        """Forget a login; whether there was one. Raises: credential.store-failed."""
        ...


class HostLogins(Protocol):
    """The logins that the user has on the host itself."""

    def read(self, path: PurePosixPath) -> CredentialFile | None:
        """A file below the user's home; None where there is none that can be taken."""
        ...


def login_update(
    stored: Iterable[CredentialFile], given: Iterable[CredentialFile], found: FoundCredentials
) -> CredentialUpdate:
    """What a session changes: the last writer wins, and who changed nothing writes nothing.

    Providers rotate tokens: a session that ends later with what it was given must not bring back
    the token that another one has replaced meanwhile (P-33).
    """
    before, now = _contents(given), _contents(stored)
    written = tuple(
        file
        for file in found.files
        if before.get(file.path) != file.content and now.get(file.path) != file.content
    )
    gone = before.keys() - found.present if found.complete else set[PurePosixPath]()
    removed = sorted(path for path in gone if now.get(path) == before[path])
    return CredentialUpdate(written=written, removed=tuple(removed))


def refusal(path: PurePosixPath, allowed: tuple[PurePosixPath, ...]) -> str:
    """Why a path of the guest's can't be taken, or nothing."""
    roots = [root for root in allowed if path == root or root in path.parents]
    if not roots:
        return "it is on no list"
    if path.is_absolute() or not all(map(_is_plain, path.parts)) or LOCK_NAME in path.parts:
        return "its name can't be kept"
    if min(len(path.parts) - len(root.parts) for root in roots) > DEPTH + 1:
        return f"it lies more than {DEPTH} directories deep"
    return ""


def within_limits(
    files: Iterable[CredentialFile], allowed: tuple[PurePosixPath, ...]
) -> tuple[tuple[CredentialFile, ...], tuple[str, ...]]:
    """What may be kept, and why the rest may not (compat CRD-03)."""
    kept: list[CredentialFile] = []
    refused: list[str] = []
    counts = dict.fromkeys(allowed, 0)
    for file in files:
        root = next((one for one in allowed if one == file.path or one in file.path.parents), None)
        reason = refusal(file.path, allowed)
        if not reason and len(file.content) > FILE_BYTES:
            reason = f"it is larger than {FILE_BYTES // 1024} KiB"
        if not reason and root is not None and counts[root] == FILES:
            reason = f"there are more than {FILES} files"
        if reason or root is None:
            refused.append(f"{shown_name(file.path)}: {reason}")
            continue
        counts[root] += 1
        kept.append(file)
    return tuple(kept), tuple(refused)


def shown_name(path: PurePosixPath) -> str:
    """A path for a message; names can be as long as the guest likes."""
    text = str(path)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _contents(files: Iterable[CredentialFile]) -> Mapping[PurePosixPath, bytes]:
    return {file.path: file.content for file in files}


def _is_plain(name: str) -> bool:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return False
    return (
        name not in {"", ".", ".."}
        and "\\" not in name
        and name.isprintable()
        and len(encoded) <= _NAME_BYTES
    )
