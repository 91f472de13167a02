# SPDX-License-Identifier: Apache-2.0
"""A workspace that the guest writes itself, with masks over what it may not see (P-37)."""

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from typing_extensions import override

from bbox_server.domain.direct import Acknowledgements, DirectWorkspaces
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import secret_rule
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.session import SessionDirectories
from bbox_server.domain.vm import Mask, WorkspaceShare
from bbox_server.domain.workspace import HostPath, below
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.git_layout import (
    CONFIG_NAMES,
    TRANSFORMED_LIMIT_BYTES,
    looks_like_git_directory,
    safe_config,
)
from bbox_server.infra.workspace.upper_directory import open_upper

MASKS_LIMIT: Final = 5000
_HOOKS: Final = "hooks"


class DiskAcknowledgements(Acknowledgements):
    """A file a workspace, below STATE."""

    def __init__(self, *, state: Path) -> None:
        self._root = state / "direct-mode-ack"

    @override
    def has(self, workspace: HostPath) -> bool:
        try:
            return self._file(workspace).read_bytes() == os.fsencode(workspace)
        except OSError:
            return False

    @override
    def add(self, workspace: HostPath) -> None:
        file = self._file(workspace)
        try:
            self._root.mkdir(mode=0o700, exist_ok=True)
            self._root.chmod(0o700)
            file.write_bytes(os.fsencode(workspace))
            file.chmod(0o600)
        except OSError as error:
            raise BboxError(
                ErrorCode.DIRECTORY_UNUSABLE,
                cause=f"{file} can't be written: {error.strerror}.",
                remediation="Correct the owner and mode of that directory.",
            ) from error

    def _file(self, workspace: HostPath) -> Path:
        return self._root / hashlib.sha256(os.fsencode(workspace)).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskDirectWorkspaces(DirectWorkspaces):
    """Shares the workspace itself.

    Attributes:
        user: Who serves it; the workspace must be theirs.
        upper: Name of the session's upper directory, which the guest's overlay wants all the same.
        private: Directories of ours, masked where they lie in the workspace.
    """

    user: SandboxUser
    git: GitRepositories
    upper: str
    private: tuple[Path, ...] = ()

    @override
    async def open(self, workspace: HostPath, directories: SessionDirectories) -> WorkspaceShare:
        return await asyncio.to_thread(self._open, workspace, directories)

    def _open(self, workspace: HostPath, directories: SessionDirectories) -> WorkspaceShare:
        _check(workspace, self.user)
        upper = below(directories.state, self.upper)
        os.close(open_upper(Path(upper), self.user))
        masks = Masks(Path(directories.runtime, "masks"), self.git)
        for path in self.private:
            if path.is_relative_to(workspace) and path.exists():
                masks.hide(path)
        masks.walk(Path(workspace))
        return WorkspaceShare(
            lower=workspace, upper=upper, is_direct=True, masks=tuple(masks.found)
        )


class Masks:
    """What lies over the workspace's secrets: nothing, or what may be seen of them."""

    def __init__(self, scratch: Path, git: GitRepositories) -> None:
        self.found: list[Mask] = []
        self._git = git
        self._scratch = scratch
        self._directory, self._file = scratch / "directory", scratch / "file"
        for path, mode in ((scratch, 0o711), (self._directory, 0o555)):
            path.mkdir()
            path.chmod(mode)
        self._file.touch()
        self._file.chmod(0o444)

    def walk(self, root: Path) -> None:
        """Find every secret below, and what of git directories the host executes or trusts."""
        for directory, names, files in os.walk(root):
            place = Path(directory)
            inside = PurePosixPath(place.relative_to(root))
            is_git = looks_like_git_directory({*names, *files})
            for name in sorted(names):
                secret = _is_secret(inside / name, is_directory=True)
                if (secret or (is_git and name == _HOOKS)) and not (place / name).is_symlink():
                    names.remove(name)
                    self.hide(place / name)
            for name in sorted(files):
                is_config = is_git and name in CONFIG_NAMES
                secret = _is_secret(inside / name, is_directory=False)
                if (secret or is_config) and _is_ordinary(place / name):
                    (self._replace if is_config else self.hide)(place / name)

    def hide(self, path: Path) -> None:
        """Put nothing over a path. Raises: snapshot.limit."""
        if len(self.found) == MASKS_LIMIT:
            raise BboxError(
                ErrorCode.SNAPSHOT_LIMIT,
                cause=f"More than {MASKS_LIMIT} secrets would have to be masked, up to {path}.",
                remediation="Use the mode `snapshot`, or a smaller directory.",
            )
        source = self._directory if path.is_dir() else self._file
        self.found.append(Mask(path=HostPath(str(path)), source=HostPath(str(source))))

    def _replace(self, path: Path) -> None:
        """Show git's settings without what a guest may not see (P-29)."""
        with path.open("rb") as file:
            content = file.read(TRANSFORMED_LIMIT_BYTES)
        source = self._scratch / f"config-{len(self.found)}"
        source.write_bytes(safe_config(content, self._git))
        source.chmod(0o444)
        self.found.append(Mask(path=HostPath(str(path)), source=HostPath(str(source))))


def _is_ordinary(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_secret(path: PurePosixPath, *, is_directory: bool) -> bool:
    return secret_rule(path, is_directory=is_directory) is not None


def _check(workspace: HostPath, user: SandboxUser) -> None:
    try:
        owner = os.stat(workspace).st_uid  # noqa: PTH116 (bytes that are no UTF-8 stay)
    except OSError as error:
        raise _refused(f"{workspace}: {error.strerror}.") from error
    if workspace == "/":
        raise _refused("/ is the root of the file system.")
    if owner != user.uid:
        raise _refused(f"{workspace} belongs to user {owner}, and bbox would write as {user.uid}.")


def _refused(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.WORKSPACE_INVALID,
        cause=cause,
        remediation="Run bbox as the user whose workspace it is, or use the mode `snapshot`.",
    )
