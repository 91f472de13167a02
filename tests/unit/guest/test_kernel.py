# SPDX-License-Identifier: Apache-2.0
import pytest

from guest.kernel import (
    KernelError,
    extract_vmlinux,
    load_order,
    module_dependencies,
    module_name,
    without_signature,
    without_tracing,
)
from tests.unit.guest.packages import KERNEL, boot_image, module, section_names, signed


def test_the_kernel_comes_out_of_its_boot_image() -> None:
    assert extract_vmlinux(boot_image()) == KERNEL


def test_a_payload_that_is_no_elf_image_is_refused() -> None:
    with pytest.raises(KernelError, match="no ELF"):
        extract_vmlinux(boot_image(b"not a kernel"))


def test_an_unknown_compression_is_named() -> None:
    image = bytearray(boot_image())
    image[1024:1030] = b"\x28\xb5\x2f\xfd\0\0"

    with pytest.raises(KernelError, match="28b52ffd"):
        extract_vmlinux(bytes(image))


def test_an_old_boot_protocol_is_refused() -> None:
    image = bytearray(boot_image())
    image[0x206:0x208] = b"\x07\x02"

    with pytest.raises(KernelError, match="0x207"):
        extract_vmlinux(bytes(image))


def test_names_are_those_of_the_kernel() -> None:
    assert module_name("lib/modules/6.1/kernel/net/9p/virtio-net-x.ko") == "virtio_net_x"
    assert module_dependencies(module("a", "b-c", "d")) == ("b_c", "d")
    assert module_dependencies(b"") == ()


def test_dependencies_load_first_and_once() -> None:
    modules = {
        "virtio": module("virtio", "virtio_ring"),
        "virtio_ring": module("virtio_ring"),
        "virtio_net": module("virtio_net", "virtio", "net-failover"),
        "net_failover": module("net_failover"),
    }

    order = load_order(["virtio", "virtio_net"], modules)

    assert order == ("virtio_ring", "virtio", "net_failover", "virtio_net")


def test_a_module_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(KernelError, match="no module virtio_ring"):
        load_order(["virtio"], {"virtio": module("virtio", "virtio_ring")})


def test_a_signature_is_cut_off_whole() -> None:
    assert without_signature(signed(b"module")) == b"module"
    assert without_signature(b"module") == b"module"


def test_a_signature_longer_than_its_module_is_refused() -> None:
    damaged = signed(b"module")[-50:]

    with pytest.raises(KernelError, match="longer"):
        without_signature(damaged)


def test_tables_for_tracing_are_not_found_and_the_rest_is() -> None:
    sections = (".text", ".BTF", ".orc_unwind", ".orc_unwind_ip", "__mcount_loc", "__ex_table")
    whole = module("ext4", "jbd2", sections=sections)

    slim = without_tracing(whole)

    assert section_names(whole) == list(sections)
    assert section_names(slim) == [".text", "__ex_table"]
    assert module_dependencies(slim) == ("jbd2",)
    assert len(slim) == len(whole)


@pytest.mark.parametrize("length", [0, 40, 63, 70, 200])
def test_a_module_that_was_cut_is_refused(length: int) -> None:
    with pytest.raises(KernelError, match="damaged module"):
        without_tracing(module("ext4", sections=[".text"])[:length])
