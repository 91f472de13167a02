# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.excludes import IGNORE_FILE_LIMIT_BYTES
from bbox_server.domain.explanation import WorkspacePaths
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.paths import DiskPaths
from tests.fakes.explanation import MemoryPaths
from tests.infra.workspace.ground import git

FILES: dict[str, bytes | None] = {
    "a/.gitignore": b"*.o\n",
    "a/b": b"",
    "large": b"#" * (IGNORE_FILE_LIMIT_BYTES + 1),
    "link": None,
}
TRACKED = {"a/b"}


def in_memory(_path: Path) -> WorkspacePaths:
    return MemoryPaths(files=FILES, tracked=TRACKED)


def on_disk(path: Path) -> WorkspacePaths:
    git(path, "init", "-q")
    for name, content in FILES.items():
        place = path / name
        place.parent.mkdir(exist_ok=True)
        if content is None:
            place.symlink_to("a")
        else:
            place.write_bytes(content)
    git(path, "add", *TRACKED)
    return DiskPaths(workspace=HostPath(str(path)), git=GitCommand())


@pytest.fixture(params=[in_memory, on_disk])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> WorkspacePaths:
    make: Callable[[Path], WorkspacePaths] = request.param
    return make(tmp_path)


@pytest.mark.parametrize(
    ("path", "is_directory"),
    [("a", True), ("a/b", False), ("gone", False), ("link", False), ("a/b/c", False)],
)
def test_a_directory_is_told_from_the_rest(
    paths: WorkspacePaths, path: str, *, is_directory: bool
) -> None:
    assert paths.is_directory(PurePosixPath(path)) is is_directory


@pytest.mark.parametrize(
    ("path", "content"),
    [("a/.gitignore", b"*.o\n"), ("gone", None), ("large", None), ("link/.gitignore", None)],
)
def test_small_regular_files_are_read(
    paths: WorkspacePaths, path: str, content: bytes | None
) -> None:
    assert paths.ignore_file(PurePosixPath(path)) == content


@pytest.mark.parametrize(
    ("path", "is_directory", "tracked"),
    [("a/b", False, True), ("a", True, True), ("a/c", False, False), ("b", True, False)],
)
def test_what_git_tracks_is_known(
    paths: WorkspacePaths, path: str, *, is_directory: bool, tracked: bool
) -> None:
    assert paths.is_tracked(PurePosixPath(path), is_directory=is_directory) is tracked


def test_without_a_repository_nothing_is_tracked(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    paths = DiskPaths(workspace=HostPath(str(tmp_path)), git=GitCommand())
    assert not paths.is_tracked(PurePosixPath("a"), is_directory=False)
