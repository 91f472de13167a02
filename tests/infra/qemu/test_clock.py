# SPDX-License-Identifier: Apache-2.0
import platform

import pytest

from bbox_server.infra.qemu.clock import measure_tsc_khz

x86_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the x86 counter")


@x86_only
def test_two_measurements_agree() -> None:
    first, second = measure_tsc_khz(), measure_tsc_khz()
    # A quartz is good for 100 ppm; a loaded machine blurs the measurement ten times that.
    assert abs(first - second) < first / 1000
    assert 100_000 < first < 10_000_000
