# SPDX-License-Identifier: Apache-2.0
"""Whether this machine has what a sandbox needs."""

import fcntl
import os
import platform
import resource
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.doctor import Check, CheckStatus, HostInspector
from bbox_server.domain.error import BboxError
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.programs import PLAIN_ENVIRONMENT, find_program

PROGRAMS: Final = (
    ("qemu", "qemu-system-x86_64", ()),
    ("virtiofsd", "virtiofsd", ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")),
    ("git", "git", ()),
    ("squashfs", "tar2sqfs", ()),
    ("ext4", "mkfs.ext4", ()),
    ("setpriv", "setpriv", ()),
)
VERSION_FLAG_TAKEN: Final = frozenset({"qemu", "git", "setpriv"})
# virtiofsd keeps a descriptor for each file that the guest looked up (workspace.md, traps)
FILES_WANTED: Final = 65536
DISK_WANTED_BYTES: Final = 2 << 30
MEMORY_WANTED_BYTES: Final = 4 << 30
# linux/fs.h: _IOW(0x94, 9, int)
FICLONE: Final = 0x40049409


class LinuxHost(HostInspector):
    """The machine that this process runs on."""

    def __init__(self, *, state: Path) -> None:
        self._state = state

    @override
    async def inspect(self) -> tuple[Check, ...]:
        checks = [_platform()]
        checks += [await _program(*program) for program in PROGRAMS]
        checks.append(await _user_namespaces())
        checks += self._directory_checks()
        checks += [_open_files(), _memory()]
        return tuple(checks)

    def _directory_checks(self) -> list[Check]:
        try:
            self._state.mkdir(mode=0o711, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._state) as scratch:
                return [_extended_attributes(Path(scratch)), _clones(Path(scratch)), _disk(scratch)]
        except OSError as error:
            return [
                _failed(
                    "state directory",
                    f"{self._state} can't be written: {error.strerror}",
                    "Correct its owner and mode, or set XDG_STATE_HOME to another directory.",
                )
            ]


def _ok(name: str, detail: str) -> Check:
    return Check(name=name, status=CheckStatus.OK, detail=detail)


def _warning(name: str, detail: str, remediation: str) -> Check:
    return Check(name=name, status=CheckStatus.WARNING, detail=detail, remediation=remediation)


def _failed(name: str, detail: str, remediation: str) -> Check:
    return Check(name=name, status=CheckStatus.FAILED, detail=detail, remediation=remediation)


def _platform() -> Check:
    system, machine = platform.system(), platform.machine()
    detail = f"{system} {platform.release()} {machine}"
    if (system, machine) == ("Linux", "x86_64"):
        return _ok("platform", detail)
    return _failed("platform", detail, "This version runs on Linux on x86-64 only.")


async def _program(name: str, program: str, places: tuple[str, ...]) -> Check:
    try:
        path = find_program(program, places=places)
    except BboxError as error:
        return _failed(name, error.cause, error.remediation)
    if name not in VERSION_FLAG_TAKEN:
        return _ok(name, path)
    completed = await run(Command(argv=(path, "--version"), env=PLAIN_ENVIRONMENT))
    return _ok(name, completed.output.decode(errors="replace").split("\n", 1)[0])


async def _user_namespaces() -> Check:
    try:
        completed = await run(Command(argv=("unshare", "-Ur", "true"), env=PLAIN_ENVIRONMENT))
    except BboxError as error:
        return _failed("user namespaces", error.cause, error.remediation)
    if completed.exit_code == 0:
        return _ok("user namespaces", "can be made")
    return _failed(
        "user namespaces",
        completed.errors.decode(errors="replace").strip(),
        "Allow them: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), or "
        "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu).",
    )


def _extended_attributes(scratch: Path) -> Check:
    if _works(lambda: os.setxattr(scratch, "user.bbox", b"1")):
        return _ok("extended attributes", "user.* can be stored beside the sessions")
    return _failed(
        "extended attributes",
        "the file system of the state directory does not store user.* attributes",
        "Set XDG_STATE_HOME to a directory on ext4, xfs or btrfs.",
    )


def _clones(scratch: Path) -> Check:
    source, target = scratch / "a", scratch / "b"
    source.write_bytes(b"x" * 4096)

    def clone() -> None:
        with source.open("rb") as reader, target.open("wb") as writer:
            fcntl.ioctl(writer, FICLONE, reader.fileno())

    if _works(clone):
        return _ok("copy on write", "files are cloned, snapshots cost no space")
    return _ok("copy on write", "not on this file system: first snapshots are copies")


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _disk(directory: str) -> Check:
    free = shutil.disk_usage(directory).free
    detail = f"{free / (1 << 30):.1f} GiB free"
    if free >= DISK_WANTED_BYTES:
        return _ok("disk", detail)
    return _warning("disk", detail, "Free some space: a session needs 2 GiB to be comfortable.")


def _open_files() -> Check:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = FILES_WANTED if hard == resource.RLIM_INFINITY else hard
    if limit >= FILES_WANTED:
        return _ok("open files", f"up to {limit}")
    return _warning(
        "open files",
        f"up to {limit}: an agent that reads more than about {limit} files at once gets errors",
        "Raise the hard limit (ulimit -Hn, /etc/security/limits.conf) to 65536 or more.",
    )


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    detail = f"{total / (1 << 30):.1f} GiB"
    if total >= MEMORY_WANTED_BYTES:
        return _ok("memory", detail)
    return _warning("memory", detail, "Give the guest less: `--memory 1g`.")
