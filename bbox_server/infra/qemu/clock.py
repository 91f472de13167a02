# SPDX-License-Identifier: Apache-2.0
"""The rate of the host's time-stamp counter, which an emulated guest sees as its own."""

import ctypes
import mmap
import platform
import time
from collections.abc import Callable
from typing import Final

_SAMPLE_S: Final = 0.01
_SAMPLES: Final = 3

# rdtsc; shl rdx, 32; or rax, rdx; ret
_READ_TSC: Final = bytes.fromhex("0f31 48c1e220 4809d0 c3")


def measure_tsc_khz() -> int:
    """Kilohertz, within some 100 ppm; 0 where it can't be measured. Takes 30 ms.

    /proc/cpuinfo tells the present frequency instead, which varies on a laptop.
    """
    if platform.machine() != "x86_64":
        return 0
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return 0  # a hardened kernel (SELinux execmem)
    page.write(_READ_TSC)
    buffer = (ctypes.c_char * len(_READ_TSC)).from_buffer(page)
    read_tsc: Callable[[], int] = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(buffer))
    return min(_sample(read_tsc) for _ in range(_SAMPLES))[1]


def _sample(read_tsc: Callable[[], int]) -> tuple[int, int]:
    """The uncertainty in nanoseconds (we may lose the processor in between), and kilohertz."""
    before = time.perf_counter_ns()
    first = read_tsc()
    started = time.perf_counter_ns()
    time.sleep(_SAMPLE_S)
    ending = time.perf_counter_ns()
    last = read_tsc()
    after = time.perf_counter_ns()
    elapsed_ns = (ending + after - before - started) / 2
    return started - before + after - ending, round((last - first) * 1e6 / elapsed_ns)
