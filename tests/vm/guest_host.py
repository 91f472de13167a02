# SPDX-License-Identifier: Apache-2.0
"""What the host does around a guest: programs, the unprivileged user, the two shares."""

import os
import socket
import subprocess
from pathlib import Path
from typing import IO

from bbox_server.infra.process.sandbox_user import SandboxUser, resolve_sandbox_user

REPOSITORY = Path(__file__).parents[2]
_VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
# Bound and remounted read-only where asked, then virtiofsd with the namespace's capabilities.
_SHARE_SCRIPT = """
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o "remount,bind,$2,nosuid,nodev" "$1" &&
exec "$0" --fd="$3" -o "source=$1,xattr,cache=always" -f
"""


def run(*argv: str, stdin: bytes = b"") -> None:
    subprocess.run(argv, cwd=REPOSITORY, input=stdin, check=True, stdout=subprocess.DEVNULL)


def start(*argv: str, output: IO[bytes] | int, fd: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=() if fd is None else (fd,),
    )


def sandbox_user() -> SandboxUser:
    return resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})


def as_sandbox() -> list[str]:
    user = sandbox_user()
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]


def give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, sandbox_user().uid, sandbox_user().gid, follow_symlinks=False)


def start_share(directory: Path, name: str, source: Path, mode: str) -> subprocess.Popen[bytes]:
    """A virtiofsd that maps the guest's uid 1000 to ours, on a socket that exists already."""
    path = directory / f"{name}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        give(path)
        listener.listen(1)
        argv = [
            *as_sandbox(),
            *("unshare", "--user", "--mount", "--map-user=1000", "--map-group=1000", "--keep-caps"),
            *("sh", "-c", _SHARE_SCRIPT, _VIRTIOFSD, str(source), mode, str(listener.fileno())),
        ]
        with (directory / f"{name}.log").open("wb") as log:
            return start(*argv, output=log, fd=listener.fileno())
