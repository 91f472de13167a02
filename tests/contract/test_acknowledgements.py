# SPDX-License-Identifier: Apache-2.0
"""Acknowledgements of direct mode: one workspace each."""

import stat
from pathlib import Path

import pytest

from bbox_server.domain.direct import Acknowledgements
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.direct import DiskAcknowledgements
from tests.fakes.direct import MemoryAcknowledgements

ONE, OTHER = HostPath("/home/user/one"), HostPath("/home/user/\udcff")


@pytest.fixture(params=["fake", "disk"])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> Acknowledgements:
    return MemoryAcknowledgements() if request.param == "fake" else make_disk(tmp_path)


def make_disk(root: Path) -> DiskAcknowledgements:
    return DiskAcknowledgements(state=root)


def test_a_workspace_is_known_from_then_on_and_no_other_is(known: Acknowledgements) -> None:
    assert known.has(ONE) is False
    known.add(ONE)
    known.add(ONE)
    assert known.has(ONE) is True
    assert known.has(OTHER) is False
    known.add(OTHER)
    assert known.has(OTHER) is True


def test_it_is_kept_for_the_user_alone(tmp_path: Path) -> None:
    make_disk(tmp_path).add(ONE)
    assert make_disk(tmp_path).has(ONE)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {0o700, 0o600}


def test_a_file_of_another_content_acknowledges_nothing(tmp_path: Path) -> None:
    make_disk(tmp_path).add(ONE)
    (file,) = (tmp_path / "direct-mode-ack").iterdir()
    file.write_text("/home/user/else")
    assert make_disk(tmp_path).has(ONE) is False


def test_what_can_not_be_remembered_is_told(tmp_path: Path) -> None:
    (tmp_path / "direct-mode-ack").touch()
    with pytest.raises(BboxError) as raised:
        make_disk(tmp_path).add(ONE)
    assert raised.value.code is ErrorCode.DIRECTORY_UNUSABLE
