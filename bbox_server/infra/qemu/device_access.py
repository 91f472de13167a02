# SPDX-License-Identifier: Apache-2.0
"""Whether QEMU's user may open /dev/kvm, and what would let it."""

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.infra.process.sandbox_user import SandboxUser

_GROUP: Final = stat.S_IRGRP | stat.S_IWGRP
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a device can't be used, and an instruction."""

    why: str
    remedy: str


def find_obstacle(device: Path, user: SandboxUser) -> Obstacle | None:
    """What keeps the user from the device, if anything does."""
    try:
        status = device.stat()
    except OSError:
        return Obstacle(
            why=f"there is no {device}",
            remedy="Load its driver (modprobe kvm_intel or kvm_amd); in a virtual machine switch "
            f"nested virtualisation on; in a container pass the device: --device {device}.",
        )
    return None if _may_open(device, status) else describe(device, status, user)


def describe(device: Path, status: os.stat_result, user: SandboxUser) -> Obstacle:
    """Mode and owner of a device that is closed to us."""
    owner, group = _user_name(status.st_uid), _group_name(status.st_gid)
    mode = stat.S_IMODE(status.st_mode)
    return Obstacle(
        why=f"{device} is mode {mode:04o} of {owner}:{group}, closed to {_who(user)}",
        remedy=_remedy(device, mode, group),
    )


def _remedy(device: Path, mode: int, group: str) -> str:
    """Joining a group helps where the group may open the device, and only there."""
    if mode & _GROUP == _GROUP and group != "root":
        return f"Join the group: sudo usermod -aG {group} $USER, then log in again."
    return (
        f"Its group may not open it, so joining that does not help. Give it one that may: "
        f"sudo chgrp kvm {device} && sudo chmod 0660 {device}; to keep that, add a udev rule: "
        'KERNEL=="kvm", GROUP="kvm", MODE="0660".'
    )


def _may_open(device: Path, status: os.stat_result) -> bool:
    if os.geteuid() != 0:
        return os.access(device, os.R_OK | os.W_OK)
    # QEMU is another user then, who only has the device's group.
    return any(status.st_mode & bits == bits for bits in (_GROUP, _OTHERS))


def _who(user: SandboxUser) -> str:
    name = _user_name(user.uid)
    return f"user {name}, who runs QEMU" if os.geteuid() == 0 else f"user {name}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
