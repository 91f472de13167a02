# SPDX-License-Identifier: Apache-2.0
"""Which accelerator works: shown by a guest that boots with it, remembered for this host."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from bbox_server.domain.vm import Accelerator, AcceleratorVerdict

_WARNING: Final = (
    "WARNING: the sandbox runs under software emulation (TCG), 5 to 20 times slower: {why}."
)
_FILE: Final = "accelerator.json"
_FILE_LIMIT_BYTES: Final = 64 * 1024


def usable(accelerator: Accelerator) -> AcceleratorVerdict:
    """The verdict for hardware that works."""
    return AcceleratorVerdict(accelerator=accelerator, warning="")


def emulated(why: str, remedy: str = "") -> AcceleratorVerdict:
    """The verdict for emulation, with the reason in a few words."""
    return AcceleratorVerdict(
        accelerator=Accelerator.TCG, warning=_WARNING.format(why=why), remedy=remedy
    )


class VerdictCache:
    """Verdicts by what they were found on: host's kernel, QEMU, device, user and guest system."""

    def __init__(self, directory: Path, key: tuple[str, ...]) -> None:
        self._file = directory / _FILE
        self._key = hashlib.sha256("\0".join(key).encode()).hexdigest()

    def load(self) -> AcceleratorVerdict | None:
        """The remembered verdict; None where there is none that can be understood."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(self._file.read_bytes()[:_FILE_LIMIT_BYTES])[self._key]
            return AcceleratorVerdict(
                accelerator=Accelerator(stored["accelerator"]), warning=str(stored["warning"])
            )
        return None

    def save(self, verdict: AcceleratorVerdict) -> None:
        """Remember one verdict; those for other keys are of another kernel or QEMU."""
        content = {
            self._key: {"accelerator": verdict.accelerator.value, "warning": verdict.warning}
        }
        part = self._file.with_name(f"{_FILE}.{os.getpid()}")
        # A cache that can't be written costs five seconds the next time.
        with suppress(OSError):
            part.write_text(json.dumps(content), encoding="utf-8")
            part.replace(self._file)

    def forget(self) -> None:
        """Probe again the next time."""
        self._file.unlink(missing_ok=True)


def cache_key(qemu: Path, device: Path, uid: int, kernel: Path) -> tuple[str, ...]:
    """All that a verdict depends on."""
    host = os.uname()
    return (
        *(host.sysname, host.release, host.version, host.machine, host.nodename),
        *(_identity(qemu), _identity(device), str(uid), _identity(kernel)),
    )


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_mode} {status.st_gid}"


def device_groups(device: Path) -> tuple[int, ...]:
    """The group that may use the device, for a QEMU that is another user than we are."""
    return (device.stat().st_gid,) if device.exists() else ()
