# SPDX-License-Identifier: Apache-2.0
"""Package files by Debian's own client, kept by digest."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guest.pins import Pin

ARCHITECTURE: Final = "amd64"
_TIMEOUT_S: Final = 600
_FIELD: Final = re.compile(r"^(Package|Version|SHA256|Depends): *(.*)$", re.MULTILINE)


class FetchError(Exception):
    """A package can't be had."""


class DigestError(FetchError):
    """A package has other bytes than the lock says; no newer one takes over for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPackage:
    """A package file whose content was verified. `pinned` is false when a newer one took over."""

    pin: Pin
    file: Path
    pinned: bool


def fetch(pins: Iterable[Pin], cache: Path, say: Callable[[str], None]) -> list[FetchedPackage]:
    """Have every package in `cache`, from there or downloaded.

    A version that the archive dropped is replaced by the newest of its series, and `say` tells.
    """
    cache.mkdir(parents=True, exist_ok=True)
    return [_fetch_one(pin, cache, say) for pin in pins]


def newest(series: str) -> Pin:
    """The newest package of a series as apt knows it now. Raises: FetchError."""
    record = _show(series)
    package = series
    # A metapackage: the real one has the kernel's version in its name.
    dependency = re.match(r"(linux-image-[0-9]\S*)", record.get("Depends", ""))
    if dependency is not None:
        package = dependency[1]
        record = _show(package)
    return Pin(
        series=series,
        package=package,
        version=record["Version"],
        architecture=ARCHITECTURE,
        sha256=record["SHA256"],
    )


def _fetch_one(pin: Pin, cache: Path, say: Callable[[str], None]) -> FetchedPackage:
    file = _cached(pin, cache)
    if file is not None:
        return FetchedPackage(pin=pin, file=file, pinned=True)
    try:
        return FetchedPackage(pin=pin, file=_download(pin, cache, say), pinned=True)
    except DigestError:
        raise
    except FetchError as error:
        replacement = newest(pin.series)
        if replacement == pin:
            raise
        say(f"{error}; taking {replacement.package} {replacement.version} instead")
        say("`make guest-pins` refreshes the lock")
    file = _cached(replacement, cache) or _download(replacement, cache, say)
    return FetchedPackage(pin=replacement, file=file, pinned=False)


def _cached(pin: Pin, cache: Path) -> Path | None:
    file = cache / f"{pin.package}_{pin.sha256}.deb"
    if file.is_file() and _sha256(file) == pin.sha256:
        return file
    return None


def _download(pin: Pin, cache: Path, say: Callable[[str], None]) -> Path:
    say(f"fetching {pin.package} {pin.version}")
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        # The sandbox user of apt can't write into a private directory; root needs no sandbox here,
        # because the digest decides what is used.
        _run(
            [
                *("apt-get", "-q", "-o", "APT::Sandbox::User=root"),
                *("download", f"{pin.package}:{pin.architecture}={pin.version}"),
            ],
            Path(directory),
        )
        files = list(Path(directory).glob("*.deb"))
        if len(files) != 1:
            raise FetchError(f"{pin.package} {pin.version}: apt-get left no package file")
        found = _sha256(files[0])
        if found != pin.sha256:
            raise DigestError(f"{pin.package} {pin.version}: SHA-256 is {found}, not {pin.sha256}")
        target = cache / f"{pin.package}_{pin.sha256}.deb"
        shutil.move(files[0], target)
    return target


def _show(package: str) -> dict[str, str]:
    argv = ["apt-cache", "show", "--no-all-versions", f"{package}:{ARCHITECTURE}"]
    try:
        record = dict(_FIELD.findall(_run(argv, Path("/"))))
    except FetchError as error:
        raise FetchError(f"{error}; run `apt-get update`") from error
    if not {"Version", "SHA256"} <= record.keys():
        raise FetchError(f"apt knows no version of {package}; run `apt-get update`")
    return record


def _run(argv: list[str], directory: Path) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise FetchError(
            f"{argv[0]} is missing: the guest is built from Debian packages"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{argv[0]} did not end within {_TIMEOUT_S} s") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"{' '.join(argv[-2:])}: {reason.removeprefix('E: ')}")
    return done.stdout


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
