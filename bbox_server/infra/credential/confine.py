# SPDX-License-Identifier: Apache-2.0
"""Less power for the process that holds the keys (prctl(2), setrlimit(2))."""

import ctypes
import os
import resource
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38

OPEN_FILES: Final = 256
"""Connections of the guest and to providers; 64 requests at once need 128."""

ADDRESS_SPACE_BYTES: Final = 1 << 30
"""It maps 45 MB when idle and 72 MB more for each of six threads that resolve names (CPython's
default on two cores); headers are 2 MB a connection at most, and bodies pass in pieces."""


def forbid_inspection() -> None:
    """Keep processes of the same user from reading the keys out of this one's memory.

    QEMU and the relay may run as the same user: /proc/PID/mem and ptrace need a dumpable target.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def limit_resources() -> None:
    """No core dumps, bounded files and memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)


def die_with(parent: int) -> None:
    """Get SIGKILL when the parent ends; after `become`, which clears what infra.process set."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit("The parent is gone.")


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (most, most))


def become(uid: int, gid: int) -> None:
    """Give up root for good. Without root there is nothing to give up."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # The kernel resets it on a change of ids to fs.suid_dumpable, which may be 1.
    forbid_inspection()
