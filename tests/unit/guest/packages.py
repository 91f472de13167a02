# SPDX-License-Identifier: Apache-2.0
"""Small Debian packages that the builder takes for the real ones."""

import hashlib
import io
import lzma
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from guest.apt import FetchedPackage
from guest.layout import MODULES
from guest.pins import Pin

KERNEL = b"\x7fELF the kernel itself"
LIBRARY_DIRECTORY = "lib/x86_64-linux-gnu"


def elf_image(*needed: str) -> bytes:
    """A 64-bit image with one loaded segment, and a dynamic one when it needs something."""
    base, strings = 0x400000, b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    text = 64 + 2 * 56
    offsets = [strings.index(b"\0" + name.encode() + b"\0") + 1 for name in needed]
    dynamic = b"".join(struct.pack("<qQ", 1, offset) for offset in offsets)
    dynamic += struct.pack("<qQqQ", 5, base + text, 0, 0)
    start = text + len(strings)
    size = start + len(dynamic)
    segments = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096)
    if needed:
        place = base + start
        length = len(dynamic)
        segments += struct.pack("<IIQQQQQQ", 2, 6, start, place, place, length, length, 8)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, len(segments) // 56, *(0,) * 3
    )
    return (header + segments).ljust(text, b"\0") + strings + dynamic


def boot_image(kernel: bytes = KERNEL) -> bytes:
    """A bzImage: one setup sector, then the payload and its length word."""
    payload = lzma.compress(kernel) + struct.pack("<I", len(kernel))
    setup = bytearray(2 * 512)
    setup[0x1F1] = 1
    struct.pack_into("<H", setup, 0x206, 0x20F)
    struct.pack_into("<II", setup, 0x248, 0, len(payload))
    return bytes(setup) + payload


def module(name: str, *dependencies: str, sections: Sequence[str] = ()) -> bytes:
    """A relocatable object with its information, and sections that are allocated and empty."""
    information = f"\0name={name}\0depends={','.join(dependencies)}\0".encode()
    names = b"\0" + b"".join(section.encode() + b"\0" for section in sections)
    starts = [names.index(b"\0" + section.encode() + b"\0") + 1 for section in sections]
    headers = bytes(64)
    headers += struct.pack("<IIQQQQ", 0, 3, 0, 0, 64 + len(information), len(names)) + bytes(24)
    headers += b"".join(struct.pack("<IIQ", start, 1, 2) + bytes(48) for start in starts)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQ", 1, 62, 1, 0, 0, 64 + len(information) + len(names))
    header += struct.pack("<IHHHHHH", 0, 64, 0, 0, 64, len(headers) // 64, 1)
    return header + information + names + headers


def section_names(content: bytes) -> list[str]:
    """Names of the allocated sections, as the kernel reads them."""
    (table,) = struct.unpack_from("<Q", content, 40)
    count, index = struct.unpack_from("<HH", content, 60)
    (names,) = struct.unpack_from("<Q", content, table + index * 64 + 24)
    rows = [struct.unpack_from("<IIQ", content, table + at * 64) for at in range(count)]
    starts = [names + name for name, _, flags in rows if flags & 2]
    return [content[start : content.index(b"\0", start)].decode() for start in starts]


def signed(content: bytes, signature: bytes = b"S" * 30) -> bytes:
    information = bytes(8) + struct.pack(">I", len(signature))
    return content + signature + information + b"~Module signature appended~\n"


def deb(path: Path, files: Mapping[str, bytes | str], suffix: str = ".xz") -> Path:
    """A package; a text is a symlink's target."""
    data = io.BytesIO()
    mode = {".xz": "w:xz", ".gz": "w:gz", "": "w"}[suffix]
    with tarfile.open(fileobj=data, mode=mode) as tar:  # type: ignore[call-overload]  # typeshed wants a literal
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    members = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", b"odd"),
        (f"data.tar{suffix}", data.getvalue()),
    )
    path.write_bytes(b"!<arch>\n" + b"".join(_ar_member(*member) for member in members))
    return path


def fetched(path: Path, package: str, *, pinned: bool = True) -> FetchedPackage:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pin = Pin(series=package, package=package, version="1.0", architecture="amd64", sha256=digest)
    return FetchedPackage(pin=pin, file=path, pinned=pinned)


def guest_packages(directory: Path) -> list[FetchedPackage]:
    """All that the builder looks for, in three packages."""
    modules = {
        f"lib/modules/6.1/kernel/{name}.ko": signed(
            module(name, *(["netfs"] if name == "9p" else []))
        )
        for name, _ in MODULES
    }
    modules["lib/modules/6.1/kernel/netfs.ko"] = module("netfs")
    modules["lib/modules/6.1/kernel/snd.ko"] = module("snd")
    kernel = {"boot/vmlinuz-6.1": boot_image(), **modules}
    kernel["usr/share/doc/linux-image-6.1/copyright"] = b"GPL-2"
    programs = {
        "bin/busybox": elf_image(),
        "usr/sbin/sshd": elf_image("libc.so.6"),
        "usr/bin/setpriv": elf_image("libc.so.6"),
        "usr/bin/unused": b"unused",
        "usr/share/doc/tools/copyright": b"BSD",
    }
    libraries: dict[str, bytes | str] = {
        "usr/share/doc/libc6": "tools",
        f"{LIBRARY_DIRECTORY}/libc.so.6": elf_image("ld-linux-x86-64.so.2"),
        f"{LIBRARY_DIRECTORY}/ld-linux-x86-64.so.2": elf_image(),
        "lib64/ld-linux-x86-64.so.2": "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    }
    return [
        fetched(deb(directory / "kernel.deb", kernel), "linux-image-6.1"),
        fetched(deb(directory / "tools.deb", programs), "tools"),
        fetched(deb(directory / "libc6.deb", libraries), "libc6"),
    ]


def _ar_member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)
