# SPDX-License-Identifier: Apache-2.0
"""Run a share's daemon where it can do no more than the share needs. A program of its own.

    python -I -S confine.py PARENT UID GID ro|rw|direct DIRECTORY [MASKS] -- PROGRAM WORD…

It starts as the caller, so that interpreter and source may be where the sandbox user can't read,
and then: the descriptor limit as high as allowed; the sandbox user; a user namespace with the one
map `1000 <sandbox uid> 1`; a mount namespace, in it for `ro` a read-only bind of the directory
(Debian's virtiofsd can't deny writes itself), or for `direct` what MASKS names over paths of it
(source, NUL, path, NUL and so on), locked by a second pair of namespaces; all capabilities of the
last namespace; the program.
The share's daemon so owns its files as the sandbox user, shows them as the guest's user 1000, and
has no other user's rights anywhere (guest.md 6, workspace.md traps).

Stdlib only, no import of ours: it runs as a file.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Final, NoReturn

GUEST_ID: Final = 1000

# linux/sched.h, linux/mount.h, linux/prctl.h, linux/capability.h
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_MS_RDONLY: Final = 1
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MS_NOEXEC: Final = 8
_MS_REMOUNT: Final = 32
_MS_BIND: Final = 4096
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522
_WORDS: Final = 6  # two of effective, permitted, inheritable

_PR_SET_SECCOMP: Final = 22

# linux/seccomp.h, linux/bpf_common.h, linux/audit.h
_SECCOMP_MODE_FILTER: Final = 2
_SECCOMP_RET_ERRNO: Final = 0x00050000  # with errno 0: the call is skipped and returns 0
_SECCOMP_RET_ALLOW: Final = 0x7FFF0000
_BPF_LOAD: Final = 0x20
_BPF_JUMP_EQUAL: Final = 0x15
_BPF_RETURN: Final = 0x06
_SETGROUPS: Final = {"x86_64": (0xC000003E, 116), "aarch64": (0xC00000B7, 159)}

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


def main(argv: list[str]) -> NoReturn:
    """Confine this process, then become the program."""
    end = argv.index("--")
    parent, uid, gid, access, directory, *lists = argv[1:end]
    program = argv[end + 1 :]
    masks = [mask for name in lists for mask in read_masks(name)]  # as the caller, whose it is
    raise_descriptor_limit()
    become(int(uid), int(gid))
    enter_namespaces()
    if access == "ro":
        make_read_only(directory, directory)
    for source, path in masks:
        # What this user can't reach, its daemon can't either.
        if os.path.lexists(path):
            make_read_only(source, path)
    if access != "rw":
        # Mounts that come from another user namespace are locked: nobody remounts them writable.
        enter_namespaces()
    keep_capabilities()
    if os.getgroups():
        ignore_setgroups()
    die_with(int(parent))
    os.execv(program[0], program)  # noqa: S606 - the whole purpose


def raise_descriptor_limit() -> None:
    """The hard limit; for root the kernel's own. virtiofsd keeps one descriptor an inode."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if os.geteuid() == 0:
        hard = max(hard, int(Path("/proc/sys/fs/nr_open").read_text(encoding="ascii")))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Root of a container may not raise it (CAP_SYS_RESOURCE).
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def become(uid: int, gid: int) -> None:
    """Be the sandbox user, without any other group."""
    if (os.geteuid(), os.getegid()) != (uid, gid):
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    # A change of user makes /proc/self root's; the maps are written there.
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def enter_namespaces() -> None:
    """A user namespace with one user and one group, and a mount namespace of its own."""
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{GUEST_ID} {uid} 1"),
        ("gid_map", f"{GUEST_ID} {gid} 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")
    _mount(b"none", b"/", _MS_REC | _MS_PRIVATE)


def read_masks(name: str) -> list[tuple[str, str]]:
    """Pairs of what is shown and over what."""
    words = [os.fsdecode(word) for word in Path(name).read_bytes().split(b"\0")[:-1]]
    return list(zip(words[::2], words[1::2], strict=True))


def make_read_only(source: str, path: str) -> None:
    """Bind a source over a path (or the path itself), read-only, for this namespace."""
    target = os.fsencode(path)
    _mount(os.fsencode(source), target, _MS_BIND)
    # What the outer mount forbids is locked: a remount must not take it away.
    flags = os.statvfs(path).f_flag & (_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount(b"none", target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | flags)


def keep_capabilities() -> None:
    """Make every capability of the user namespace survive the exec, though we are not 0 there."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    words = (ctypes.c_uint32 * _WORDS)()
    _check(_libc.capget(ctypes.byref(header), words), "capget")
    words[2], words[5] = words[1], words[4]  # inheritable := permitted
    _check(_libc.capset(ctypes.byref(header), words), "capset")
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
    for capability in range(last + 1):
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl")


def ignore_setgroups() -> None:
    """Let setgroups(2) succeed and do nothing.

    virtiofsd drops its other groups at the start and gives up when it can't. An ordinary user
    always has some, and where only one's own user is mapped nobody may change them
    (user_namespaces(7), setgroups "deny"). They are the user's own and reach no further here.
    """
    architecture, number = _SETGROUPS[os.uname().machine]
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (_BPF_LOAD, 0, 0, 4),
            (_BPF_JUMP_EQUAL, 0, 3, architecture),
            (_BPF_LOAD, 0, 0, 0),
            (_BPF_JUMP_EQUAL, 0, 1, number),
            (_BPF_RETURN, 0, 0, _SECCOMP_RET_ERRNO),
            (_BPF_RETURN, 0, 0, _SECCOMP_RET_ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    header = _Filter(len(program) // 8, ctypes.addressof(code))
    _check(
        _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(header), 0, 0), "seccomp"
    )


def die_with(parent: int) -> None:
    """Get SIGKILL when the parent ends; after every change of credentials, which clears this."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        sys.exit("confine: the parent is gone")


def _mount(source: bytes, target: bytes, flags: int) -> None:
    _check(_libc.mount(source, target, None, flags, None), f"mount {os.fsdecode(target)}")


def _check(result: int, what: str) -> None:
    if result < 0:
        sys.exit(f"confine: {what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv)
