# SPDX-License-Identifier: Apache-2.0
"""From the last words of QEMU and of the console to a cause and a remedy."""

import re
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.qemu.console import Transcript

_SHOWN_LINES: Final = 6
_SEARCHED_LINES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Symptom:
    pattern: re.Pattern[str]
    code: ErrorCode
    cause: str
    remedy: str


def _symptom(pattern: str, code: ErrorCode, cause: str, remedy: str) -> _Symptom:
    return _Symptom(pattern=re.compile(pattern), code=code, cause=cause, remedy=remedy)


_MORE_MEMORY: Final = "Give the guest more memory, for example --memory 4g."
_REBUILD_GUEST: Final = "Build the guest system again: make build-guest."

# The first that is found is named: the most telling are first.
_SYMPTOMS: Final = (
    _symptom(
        r"SQUASHFS error|mount /dev/vda",
        ErrorCode.IMAGE_CORRUPT,
        "The image's root filesystem can't be read.",
        "Remove the image and get it again.",
    ),
    _symptom(
        r"Cannot allocate memory|cannot set up guest memory|memfd|ftruncate.*memory",
        ErrorCode.BOOT_FAILED,
        "The host has not enough memory for the guest.",
        "Ask for less, for example --memory 1g, or end other programs.",
    ),
    _symptom(
        r"System is deadlocked on memory|Out of memory|no memory for initrd|Initramfs unpacking",
        ErrorCode.BOOT_FAILED,
        "The guest has too little memory to start.",
        _MORE_MEMORY,
    ),
    _symptom(
        r"Could not access KVM|failed to initialize kvm|KVM_[A-Z_]+ failed",
        ErrorCode.BOOT_FAILED,
        "KVM can't be used.",
        "Let your user open /dev/kvm (group kvm), or take it away to use emulation.",
    ),
    _symptom(
        r"vhost|Failed to (read|write) msg",
        ErrorCode.SHARE_FAILED,
        "The workspace's share does not answer.",
        "Start again; `bbox doctor` tells what is missing.",
    ),
    _symptom(
        r"No working init|Unable to mount root|not a valid kernel|could not open kernel"
        r"|Cannot open.*kernel|Error loading uncompressed kernel|could not load initrd",
        ErrorCode.BOOT_FAILED,
        "The guest system is damaged or can't be read.",
        _REBUILD_GUEST,
    ),
    _symptom(
        r"No space left on device",
        ErrorCode.DISK_FULL,
        "There is no space left.",
        "Free some space, or discard finished sessions with `bbox discard`.",
    ),
    _symptom(
        r"Unable to calibrate against PIT",
        ErrorCode.BOOT_TIMEOUT,
        "The emulated clock did not start on a loaded machine.",
        "Start again when the machine is less busy.",
    ),
)


def explain(
    *, happened: str, code: ErrorCode, errors: tuple[str, ...], console: Transcript
) -> BboxError:
    """The error of a start that went wrong.

    Args:
        happened: One sentence on what was seen.
        code: What it is, unless a symptom tells better.
        errors: What QEMU said on its standard error, escaped.
        console: What the guest's console said.
    """
    said = (*errors, *console.tail(_SEARCHED_LINES))
    found = next((s for s in _SYMPTOMS if any(s.pattern.search(line) for line in said)), None)
    shown = (*errors[-_SHOWN_LINES:], *console.tail(_SHOWN_LINES))
    last = "".join(f"\n  {line}" for line in shown) or "\n  (nothing was said)"
    if found is None:
        return BboxError(
            code,
            cause=f"{happened} Last lines:{last}",
            remediation="Start again; the whole console is in the session's console.log.",
        )
    return BboxError(
        found.code,
        cause=f"{happened} {found.cause} Last lines:{last}",
        remediation=found.remedy,
    )
