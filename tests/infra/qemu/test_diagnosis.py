# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.error import ErrorCode
from bbox_server.infra.qemu.console import Transcript
from bbox_server.infra.qemu.diagnosis import explain


def spoken(*lines: str) -> Transcript:
    transcript = Transcript(None)
    for line in lines:
        transcript.add(line.encode())
    return transcript


@pytest.mark.parametrize(
    ("line", "code", "remedy"),
    [
        ("SQUASHFS error: Unable to read metadata cache entry", ErrorCode.IMAGE_CORRUPT, "image"),
        ("BBOX-FAIL mount /dev/vda on /m/image (squashfs)", ErrorCode.IMAGE_CORRUPT, "image"),
        (
            "Kernel panic - not syncing: System is deadlocked on memory",
            ErrorCode.BOOT_FAILED,
            "--memory 4g",
        ),
        ("qemu-system-x86_64: Cannot allocate memory", ErrorCode.BOOT_FAILED, "--memory 1g"),
        (
            "Could not access KVM kernel module: Permission denied",
            ErrorCode.BOOT_FAILED,
            "group kvm",
        ),
        (
            "qemu: Failed to read msg header. Read 0 instead of 12.",
            ErrorCode.SHARE_FAILED,
            "doctor",
        ),
        (
            "Kernel panic - not syncing: No working init found.",
            ErrorCode.BOOT_FAILED,
            "build-guest",
        ),
        ("tsc: Unable to calibrate against PIT", ErrorCode.BOOT_TIMEOUT, "less busy"),
        ("write: No space left on device", ErrorCode.DISK_FULL, "Free"),
        ("something new", ErrorCode.BOOT_FAILED, "console.log"),
    ],
)
def test_a_symptom_leads_to_a_cause_and_a_remedy(line: str, code: ErrorCode, remedy: str) -> None:
    error = explain(
        happened="QEMU ended.",
        code=ErrorCode.BOOT_FAILED,
        errors=("an error",),
        console=spoken("BBOX init 1", line),
    )
    assert error.code is code
    assert remedy in error.remediation
    assert error.cause.startswith("QEMU ended.")
    assert error.cause.endswith(f"\n  {line}")


def test_only_the_last_lines_are_shown() -> None:
    console = tuple(f"line {number}" for number in range(100))
    error = explain(happened="x", code=ErrorCode.BOOT_FAILED, errors=(), console=spoken(*console))
    assert error.cause.count("\n") == 6


def test_silence_is_said() -> None:
    error = explain(happened="x", code=ErrorCode.BOOT_TIMEOUT, errors=(), console=spoken())
    assert "(nothing was said)" in error.cause


def test_a_panic_is_shown_and_not_the_trace_that_follows() -> None:
    trace = (f"trace {number}" for number in range(100))
    console = spoken("Kernel panic - not syncing: No working init found.", *trace)
    error = explain(happened="x", code=ErrorCode.BOOT_FAILED, errors=(), console=console)
    assert "\n  Kernel panic - not syncing: No working init found.\n" in error.cause
