# SPDX-License-Identifier: Apache-2.0
"""The kernel as an ELF image, and its modules in the order in which they load."""

import lzma
import posixpath
import re
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from guest.elf import MAGIC

_PAYLOAD_PROTOCOL: Final = 0x208
_XZ_MAGIC: Final = b"\xfd7zXZ\0"
_SIGNATURE_MAGIC: Final = b"~Module signature appended~\n"
_SIGNATURE_INFO_BYTES: Final = 12
# Tables of a module that the kernel reads only to trace, to profile, to type-check BPF programs and
# to print exact backtraces; sorting and entering them is half of a module's loading.
_TRACING_SECTIONS: Final = frozenset(
    {
        *(b".BTF", b".orc_unwind", b".orc_unwind_ip"),
        *(b"__mcount_loc", b"_ftrace_events", b"_ftrace_eval_map"),
    }
)
_ELF64_SECTION_BYTES: Final = 64
_SHF_ALLOC: Final = 2
_MODINFO: Final = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")


class KernelError(Exception):
    """The kernel package is not what the builder expects."""


def extract_vmlinux(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage (kernel, arch/x86/boot: setup_sects, payload fields).

    QEMU starts it by PVH, so nothing is decompressed under emulation.
    """
    (protocol,) = struct.unpack_from("<H", image, 0x206)
    if protocol < _PAYLOAD_PROTOCOL:
        raise KernelError(f"boot protocol {protocol:#x} does not say where the kernel is")
    setup_sectors = (image[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = setup_sectors * 512 + offset
    payload = image[start : start + length]
    if not payload.startswith(_XZ_MAGIC):
        raise KernelError(f"unknown compression of the kernel: {payload[:6].hex()}")
    # The last four bytes of the payload are its uncompressed size, not xz.
    kernel = lzma.LZMADecompressor().decompress(payload)
    if not kernel.startswith(MAGIC):
        raise KernelError("the payload of the kernel is no ELF image")
    return kernel


def module_name(path: str) -> str:
    """`kernel/net/9p/9pnet-x.ko` → `9pnet_x`, as the kernel itself calls it."""
    return posixpath.basename(path).removesuffix(".ko").replace("-", "_")


def module_dependencies(module: bytes) -> tuple[str, ...]:
    """Names of the modules that must be there first."""
    found = _MODINFO.search(module)
    names = found[1].decode("ascii").split(",") if found else []
    return tuple(name.replace("-", "_") for name in names if name)


def without_signature(module: bytes) -> bytes:
    """The module without the signature at its end (kernel, include/linux/module_signature.h).

    The kernel would check it, which takes longer than loading the module does under emulation;
    what we load was checked by digest when it was fetched.
    """
    if not module.endswith(_SIGNATURE_MAGIC):
        return module
    end = len(module) - len(_SIGNATURE_MAGIC)
    (length,) = struct.unpack_from(">I", module, end - 4)
    if length > end - _SIGNATURE_INFO_BYTES:
        raise KernelError("a module's signature is longer than the module")
    return module[: end - _SIGNATURE_INFO_BYTES - length]


def without_tracing(module: bytes) -> bytes:
    """The module with the tables nameless that only tracing reads, as ELF-64 section headers.

    The kernel looks them up by name (kernel/module/main.c, find_module_sections) and goes without
    those that it does not find. Contents and offsets stay as they were.

    Raises:
        KernelError: The module's section headers lead out of it.
    """
    try:
        return _without_tracing(module)
    except (struct.error, ValueError, IndexError) as error:
        raise KernelError(f"damaged module: {error}") from error


def _without_tracing(module: bytes) -> bytes:
    content = bytearray(module)
    (table,) = struct.unpack_from("<Q", content, 40)
    count, names_index = struct.unpack_from("<HH", content, 60)
    (names,) = struct.unpack_from("<Q", content, table + names_index * _ELF64_SECTION_BYTES + 24)
    for header in range(table, table + count * _ELF64_SECTION_BYTES, _ELF64_SECTION_BYTES):
        name, _, flags = struct.unpack_from("<IIQ", content, header)
        start = names + name
        if module[start : module.index(b"\0", start)] in _TRACING_SECTIONS:
            struct.pack_into("<I", content, header, 0)
            struct.pack_into("<Q", content, header + 8, flags & ~_SHF_ALLOC)
    return bytes(content)


def load_order(wanted: Iterable[str], modules: Mapping[str, bytes]) -> tuple[str, ...]:
    """`wanted` and what it depends on, dependencies first, else in the order of `wanted`.

    A module that the kernel was built with is in no package: naming it is an error, because a
    driver that silently is not there fails far away from its cause.
    """
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name not in modules:
            raise KernelError(f"the kernel package has no module {name}")
        for dependency in module_dependencies(modules[name]):
            visit(dependency)
        order.append(name)

    for name in wanted:
        visit(name)
    return tuple(order)
