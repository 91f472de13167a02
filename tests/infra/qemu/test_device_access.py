# SPDX-License-Identifier: Apache-2.0
"""What is said of a device that QEMU can't have: its mode, its owner, and what would help."""

import os
from pathlib import Path

import pytest

from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.qemu.device_access import Obstacle, describe, find_obstacle

USER = SandboxUser(uid=54321, gid=54321)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


def obstacle(device: Path, mode: int) -> Obstacle:
    device.chmod(mode)
    found = find_obstacle(device, USER)
    assert found is not None
    return found


def test_a_device_of_its_owner_alone_is_not_a_matter_of_groups(device: Path) -> None:
    found = obstacle(device, 0o000)
    assert f"{device} is mode 0000 of " in found.why
    assert "joining that does not help" in found.remedy
    assert "chmod 0660" in found.remedy


def test_no_device_is_told_with_the_ways_to_get_one(device: Path) -> None:
    found = find_obstacle(device.with_name("absent"), USER)
    assert found is not None
    assert found.why == f"there is no {device.with_name('absent')}"
    assert "modprobe" in found.remedy


def test_a_device_for_all_is_no_obstacle(device: Path) -> None:
    device.chmod(0o666)
    assert find_obstacle(device, USER) is None


def test_a_device_of_ours_is_no_obstacle(device: Path) -> None:
    device.chmod(0o660)
    assert find_obstacle(device, USER) is None


@pytest.mark.parametrize(
    ("mode", "gid", "remedy"),
    [
        (0o660, 33, "Join the group: sudo usermod -aG www-data $USER"),
        (0o660, 0, "Its group may not open it"),  # nobody is told to join root
        (0o600, 33, "Its group may not open it"),
        (0o640, 33, "Its group may not open it"),
    ],
)
def test_joining_a_group_is_advised_where_it_helps(mode: int, gid: int, remedy: str) -> None:
    status = os.stat_result((0o020000 | mode, 0, 0, 1, 0, gid, 0, 0, 0, 0))
    found = describe(Path("/dev/kvm"), status, USER)
    assert found.why.startswith(f"/dev/kvm is mode {mode:04o} of root:")
    assert found.remedy.startswith(remedy)
