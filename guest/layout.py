# SPDX-License-Identifier: Apache-2.0
"""What the guest system consists of, and where each part lies in its initramfs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guest.cpio import Archive, Owner
from guest.deb import Member
from guest.elf import needed_libraries

SERIES: Final = (
    "busybox-static",
    "libaudit1",
    "libc6",
    "libcap-ng0",
    "libcap2",
    "libcom-err2",
    "libcrypt1",
    "libgcrypt20",
    "libgpg-error0",
    "libgssapi-krb5-2",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "liblz4-1",
    "liblzma5",
    "libnsl2",
    "libpam0g",
    "libpcre2-8-0",
    "libselinux1",
    "libssl3",
    "libsystemd0",
    "libtirpc3",
    "libwrap0",
    "libzstd1",
    "linux-image-amd64",
    "openssh-client",  # has the licence text of openssh-server
    "openssh-server",
    "util-linux",
    "zlib1g",
)

# Module and the word that must hold for it to be loaded: `-` always, a machine's transport, a
# share's file system, `late` after the first command. The order matters: virtio before virtio_ring
# fails without a message.
MODULES: Final = (
    ("virtio_ring", "-"),
    ("virtio", "-"),
    ("virtio_mmio", "mmio"),
    ("virtio_pci", "pci"),
    ("virtio_blk", "-"),
    ("virtio_console", "-"),
    ("squashfs", "-"),
    ("overlay", "-"),
    ("crc32c_generic", "-"),
    ("ext4", "-"),
    ("fuse", "-"),
    ("virtiofs", "virtiofs"),
    ("9p", "9p"),
    ("9pnet_virtio", "9p"),
    ("virtio_net", "-"),
    ("virtio_rng", "late"),
    ("virtio_balloon", "late"),
)

AGENT: Final = Owner(uid=1000, gid=1000)
_LOADER: Final = "ld-linux-x86-64.so.2"
_BUSYBOX: Final = "bin/busybox"
_PROGRAMS: Final = {"usr/sbin/sshd": "usr/sbin/sshd", "usr/bin/setpriv": "bin/setpriv"}
_DIRECTORIES: Final = (
    *("dev", "m/image", "m/lo", "m/run", "m/scratch", "m/up", "proc", "root", "run/sshd"),
    *("sys", "sysroot", "var/empty"),
)
# Lies over the image: what every guest has, whatever its image has there (a symlink included).
_SKELETON: Final = {
    **dict.fromkeys(("dev", "etc", "home", "proc", "run", "sys"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
}
_DEVICES: Final = (
    ("null", 0o666, 1, 3),
    ("zero", 0o666, 1, 5),
    ("full", 0o666, 1, 7),
    ("random", 0o666, 1, 8),
    ("urandom", 0o666, 1, 9),
    ("tty", 0o666, 5, 0),
    ("fuse", 0o666, 10, 229),
)
_DEVICE_LINKS: Final = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "fd/0",
    "stdout": "fd/1",
    "stderr": "fd/2",
}


class LayoutError(Exception):
    """A part of the guest system is in no package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the initramfs is made of: package files, modules in load order, our scripts.

    Attributes:
        kernel: The release that `uname -r` will say.
    """

    files: Mapping[str, Member]
    kernel: str
    modules: Mapping[str, bytes]
    module_conditions: Mapping[str, str]
    system: Path


def wanted_file(path: str) -> bool:
    """Whether a file of a package other than the kernel's is needed."""
    return path == _BUSYBOX or path in _PROGRAMS or _is_library(path) or is_copyright(path)


def is_copyright(path: str) -> bool:
    """Whether it is the licence text of a package, or a link to where another's documents are."""
    place = path.removeprefix("usr/share/doc/")
    return place != path and (place.endswith("/copyright") or "/" not in place)


def build_initramfs(parts: Parts) -> bytes:
    """The part of the initramfs that all sessions share."""
    archive = Archive()
    archive.directory(".")  # the initramfs' own root is 1777 else, and sshd would not chroot
    for path in _DIRECTORIES:
        archive.directory(path)
    archive.directory("bbox", 0o711)  # authorized_keys is read as the user who logs in
    archive.character_device("dev/console", 0o600, 5, 1)
    _add_programs(archive, parts.files)
    _add_modules(archive, parts)
    _add_agent_view(archive)
    _add_system(archive, parts.system)
    return archive.finish()


def _add_programs(archive: Archive, files: Mapping[str, Member]) -> None:
    archive.file("tools/busybox", _file(files, _BUSYBOX), 0o755)
    archive.symlink("tools/sh", "busybox")
    archive.symlink("bin/busybox", "/tools/busybox")
    archive.symlink("bin/sh", "busybox")
    libraries: set[str] = {_LOADER}
    for source, target in _PROGRAMS.items():
        program = _file(files, source)
        archive.file(target, program, 0o755)
        _collect_libraries(program, files, libraries)
    for name in sorted(libraries):
        directory = "lib64" if name == _LOADER else "lib/x86_64-linux-gnu"
        archive.file(f"{directory}/{name}", _library(files, name), 0o755)


def _add_modules(archive: Archive, parts: Parts) -> None:
    directory = f"lib/modules/{parts.kernel}"
    for name, content in parts.modules.items():
        archive.file(f"{directory}/{name}.ko", content)
    # In load order already, so modprobe has no dependencies to look for.
    names = "".join(f"{name}.ko:\n" for name in parts.modules)
    archive.file(f"{directory}/modules.dep", names.encode())
    rows = [f"{name} {parts.module_conditions[name]}\n" for name in parts.modules]
    archive.file("lib/modules/order", "".join(rows).encode())


def _add_agent_view(archive: Archive) -> None:
    for path, mode in _SKELETON.items():
        archive.directory(f"skeleton/{path}", mode)
    archive.directory("skeleton/home/sandbox", 0o755, AGENT)
    archive.directory("skeleton/workspace", 0o755, AGENT)
    for name, mode, major, minor in _DEVICES:
        archive.character_device(f"agent-dev/{name}", mode, major, minor)
    for name, target in _DEVICE_LINKS.items():
        archive.symlink(f"agent-dev/{name}", target)
    archive.directory("agent-dev/pts")
    archive.directory("agent-dev/shm", 0o1777)


def _add_system(archive: Archive, system: Path) -> None:
    """Add our own files: their place below `guest/system` is their place in the guest."""
    for source in sorted(path for path in system.rglob("*") if path.is_file()):
        path = source.relative_to(system).as_posix()
        content = source.read_bytes()
        archive.file(path, content, 0o755 if content.startswith(b"#!") else 0o644)


def _collect_libraries(image: bytes, files: Mapping[str, Member], found: set[str]) -> None:
    for name in needed_libraries(image):
        if name not in found:
            found.add(name)
            _collect_libraries(_library(files, name), files, found)


def _is_library(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    places = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64")
    return ".so" in name and directory in places


def _file(files: Mapping[str, Member], path: str) -> bytes:
    if path not in files:
        raise LayoutError(f"no package has {path}")
    return files[path].content


def _library(files: Mapping[str, Member], name: str) -> bytes:
    """Content of a library, its symlinks followed.

    A file wins over a link: libc6 has its loader twice, once as a link to a file of that name.
    """
    places = [member for path, member in files.items() if path.rpartition("/")[2] == name]
    for member in sorted(places, key=lambda place: bool(place.target)):
        target = member.target.rpartition("/")[2]
        if not member.target:
            return member.content
        if target != name:
            return _library(files, target)
    raise LayoutError(f"no package has the library {name}")
