# SPDX-License-Identifier: Apache-2.0
"""What the relay gives up before it reads the first byte of a guest's."""

import ctypes
import os
import resource
import signal
from typing import Final

# All that connections may hold is 96 MiB; the interpreter and the names are 40.
_DATA_BYTES: Final = 256 << 20
_DESCRIPTORS: Final = 2048
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


def confine(user: tuple[int, int] | None) -> None:
    """Become the user, for good, and take limits on memory, descriptors, files and cores."""
    if user is not None:
        uid, gid = user
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _limit(resource.RLIMIT_DATA, _DATA_BYTES)
    _limit(resource.RLIMIT_NOFILE, _DESCRIPTORS)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # A change of user has cleared it (prctl(2)); the end of standard input is the other leash.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (limit, limit))
