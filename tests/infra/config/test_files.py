# SPDX-License-Identifier: Apache-2.0
"""Config files on a disk (compat CFG-01 to CFG-03, P-65)."""

import os
from pathlib import Path

import pytest

from bbox_server.domain.config.problem import FindingKind, Layer
from bbox_server.domain.config.sections import Config
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.files import USER_FILE, WORKSPACE_FILE, DiskConfigFiles
from bbox_server.infra.config.reader import SIZE_LIMIT_BYTES


@pytest.fixture
def files(tmp_path: Path) -> DiskConfigFiles:
    return DiskConfigFiles(directory=tmp_path)


def test_without_a_file_nothing_is_set(files: DiskConfigFiles, tmp_path: Path) -> None:
    assert files.user(None).config == Config()
    assert files.workspace(HostPath(str(tmp_path))) is None


def test_a_file_that_was_named_must_be_there(files: DiskConfigFiles) -> None:
    with pytest.raises(BboxError) as raised:
        files.user(HostPath("/nowhere/config.yaml"))
    assert raised.value.code is ErrorCode.CONFIG_INVALID
    assert "/nowhere/config.yaml" in raised.value.cause


def test_the_users_file_is_refused_whole_with_all_its_faults(
    files: DiskConfigFiles, tmp_path: Path
) -> None:
    (tmp_path / USER_FILE).write_text("nope: 1\ndefaults: {cpus: x}\n")
    with pytest.raises(BboxError) as raised:
        files.user(None)
    assert f"{tmp_path}/{USER_FILE}:1:1: nope" in raised.value.cause
    assert f"{tmp_path}/{USER_FILE}:2:12: defaults.cpus" in raised.value.cause


def test_the_users_file_may_be_a_link(files: DiskConfigFiles, tmp_path: Path) -> None:
    (tmp_path / "dotfile").write_text("defaults: {cpus: 3}")
    (tmp_path / USER_FILE).symlink_to("dotfile")
    assert files.user(None).config.defaults.cpus == 3


def test_a_workspaces_file_is_no_link(files: DiskConfigFiles, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("defaults: {cpus: 1}")
    (tmp_path / WORKSPACE_FILE).symlink_to("elsewhere")
    found = files.workspace(HostPath(str(tmp_path)))
    assert found is not None
    assert found.config == Config()
    (finding,) = found.findings
    assert finding.kind is FindingKind.INVALID
    assert "symlinks are not allowed" in finding.text


@pytest.mark.parametrize("kind", ["fifo", "directory", "large", "unreadable bytes"])
def test_what_is_no_small_file_is_told_and_not_waited_for(
    files: DiskConfigFiles, tmp_path: Path, kind: str
) -> None:
    for name in (USER_FILE, WORKSPACE_FILE):
        path = tmp_path / name
        match kind:
            case "fifo":
                os.mkfifo(path)
            case "directory":
                path.mkdir()
            case "large":
                path.write_bytes(b"#" * (SIZE_LIMIT_BYTES + 1))
            case _:
                path.write_bytes(b"\xff\xfe")
    with pytest.raises(BboxError) as raised:
        files.user(None)
    found = files.workspace(HostPath(str(tmp_path)))
    assert raised.value.code is ErrorCode.CONFIG_INVALID
    assert found is not None
    assert found.config == Config()
    assert [one.kind for one in found.findings] == [FindingKind.INVALID]


def test_the_largest_file_is_read(files: DiskConfigFiles, tmp_path: Path) -> None:
    head = b"defaults: {cpus: 1}\n"
    (tmp_path / USER_FILE).write_bytes(head + b"#" * (SIZE_LIMIT_BYTES - len(head)))
    found = files.user(None)
    assert (found.layer, found.config.defaults.cpus) == (Layer.GLOBAL, 1)


def test_a_workspaces_right_values_hold_beside_its_wrong_ones(
    files: DiskConfigFiles, tmp_path: Path
) -> None:
    (tmp_path / WORKSPACE_FILE).write_text("defaults: {cpus: 1}\nnope: 2\n")
    found = files.workspace(HostPath(str(tmp_path)))
    assert found is not None
    assert found.config.defaults.cpus == 1
    assert [str(one) for one in found.findings] == [".broodbox.yaml:2:1: nope: unknown field"]


def test_another_content_has_another_digest(files: DiskConfigFiles, tmp_path: Path) -> None:
    digests = set()
    for text in ("defaults: {cpus: 1}", "defaults: {cpus: 2}"):
        (tmp_path / WORKSPACE_FILE).write_text(text)
        found = files.workspace(HostPath(str(tmp_path)))
        assert found is not None
        digests.add(found.digest)
    assert len(digests) == 2
