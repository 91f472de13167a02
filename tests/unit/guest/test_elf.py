# SPDX-License-Identifier: Apache-2.0
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.elf import ElfError, needed_libraries
from tests.unit.guest.packages import elf_image


def test_the_libraries_of_a_program_are_found_in_order() -> None:
    assert needed_libraries(elf_image("libc.so.6", "libz.so.1")) == ("libc.so.6", "libz.so.1")


def test_a_static_program_needs_nothing() -> None:
    assert needed_libraries(elf_image()) == ()


def test_a_real_program_agrees_with_the_linker() -> None:
    python = Path(sys.executable).resolve()
    listed = subprocess.run(
        ["/usr/bin/ldd", str(python)], capture_output=True, text=True, check=True
    ).stdout

    needed = needed_libraries(python.read_bytes())

    assert needed
    assert all(name in listed for name in needed)


@pytest.mark.parametrize("image", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(60)])
def test_what_is_no_64_bit_image_is_refused(image: bytes) -> None:
    with pytest.raises(ElfError):
        needed_libraries(image)


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=8))
def test_a_damaged_image_raises_nothing_else(position: int, damage: bytes) -> None:
    image = bytearray(elf_image("libc.so.6"))
    start = position % len(image)
    image[start : start + len(damage)] = damage

    with contextlib.suppress(ElfError):
        needed_libraries(bytes(image))


@given(st.integers(min_value=0))
def test_a_cut_image_raises_nothing_else(length: int) -> None:
    image = elf_image("libc.so.6")

    with contextlib.suppress(ElfError):
        needed_libraries(image[: length % len(image)])
