# SPDX-License-Identifier: Apache-2.0
"""From package files to OUTPUT/DIGEST/{vmlinux,initramfs,manifest.json,copyright/}."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guest.apt import FetchedPackage
from guest.deb import Member, read_members
from guest.kernel import (
    KernelError,
    extract_vmlinux,
    load_order,
    module_name,
    without_signature,
    without_tracing,
)
from guest.layout import MODULES, Parts, build_initramfs, is_copyright, wanted_file
from guest.pins import Pin

_HERE: Final = Path(__file__).parent
_SYSTEM: Final = _HERE / "system"
_DIGEST_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    release: str
    vmlinux: bytes
    modules: Mapping[str, bytes]
    conditions: Mapping[str, str]


def build(packages: Iterable[FetchedPackage], output: Path) -> Path:
    """Build unless it is there already; the directory is whole or absent.

    A reused directory becomes the newest again: the host takes the newest of OUTPUT.
    """
    packages = sorted(packages, key=lambda package: package.pin)
    digest = inputs_digest(package.pin for package in packages)
    target = output / digest
    manifest = target / "manifest.json"
    if manifest.is_file():
        os.utime(manifest)
        return target
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".part-") as part:
        made = Path(part, digest)
        made.mkdir(mode=0o755)
        _build_into(made, packages, digest)
        _put_in_place(made, target)
    return target


def inputs_digest(pins: Iterable[Pin]) -> str:
    """Names a build by all that goes into it: packages, our files in the guest, the builder."""
    digest = hashlib.sha256()
    for pin in sorted(pins):
        digest.update(f"{pin.package} {pin.version} {pin.sha256}\n".encode())
    sources = [*_HERE.glob("*.py"), *(path for path in _SYSTEM.rglob("*") if path.is_file())]
    for source in sorted(sources):
        content = hashlib.sha256(source.read_bytes()).hexdigest()
        digest.update(f"{source.relative_to(_HERE).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:_DIGEST_DIGITS]


def _build_into(directory: Path, packages: list[FetchedPackage], digest: str) -> None:
    files: dict[str, Member] = {}
    kernel: _Kernel | None = None
    for package in packages:
        if package.pin.package.startswith("linux-image-"):
            kernel, copyrights = _read_kernel(package.file)
            files |= copyrights
        else:
            files |= read_members(package.file, wanted_file)
    if kernel is None:
        raise KernelError("there is no kernel among the packages")
    parts = Parts(
        files=files,
        kernel=kernel.release,
        modules=kernel.modules,
        module_conditions=kernel.conditions,
        system=_SYSTEM,
    )
    built = {"vmlinux": kernel.vmlinux, "initramfs": build_initramfs(parts)}
    for name, content in built.items():
        _write(directory / name, content)
    places = _write_copyrights(directory / "copyright", files, packages)
    manifest = {
        "digest": digest,
        "kernel": kernel.release,
        "modules": list(kernel.modules),
        "files": {name: _describe(content) for name, content in built.items()},
        "packages": [_describe_package(package, places) for package in packages],
    }
    _write(directory / "manifest.json", json.dumps(manifest, indent=1).encode() + b"\n")


def _read_kernel(package: Path) -> tuple[_Kernel, dict[str, Member]]:
    members = read_members(
        package,
        lambda path: path.endswith(".ko") or path.startswith("boot/vmlinuz-") or is_copyright(path),
    )
    images = [path for path in members if path.startswith("boot/vmlinuz-")]
    if len(images) != 1:
        raise KernelError(f"{package.name} has {len(images)} kernels")
    modules = {
        module_name(path): member.content
        for path, member in members.items()
        if path.endswith(".ko")
    }
    conditions: dict[str, str] = {}
    for name, condition in MODULES:
        for needed in load_order([name], modules):
            known = conditions.setdefault(needed, condition)
            if known != condition:
                conditions[needed] = "-"
    kernel = _Kernel(
        release=images[0].removeprefix("boot/vmlinuz-"),
        vmlinux=extract_vmlinux(members[images[0]].content),
        modules={name: without_tracing(without_signature(modules[name])) for name in conditions},
        conditions=conditions,
    )
    return kernel, {path: member for path, member in members.items() if is_copyright(path)}


def _describe(content: bytes) -> dict[str, object]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _describe_package(package: FetchedPackage, copyrights: Mapping[str, str]) -> dict[str, object]:
    pin = package.pin
    return {
        "package": pin.package,
        "version": pin.version,
        "architecture": pin.architecture,
        "sha256": pin.sha256,
        "pinned": package.pinned,
        "copyright": copyrights.get(pin.package),
    }


def _write_copyrights(
    directory: Path, files: Mapping[str, Member], packages: Iterable[FetchedPackage]
) -> dict[str, str]:
    """Write the licence texts; returns where each package's is, relative to the build."""
    directory.mkdir(mode=0o755)
    places = {}
    for package in (fetched.pin.package for fetched in packages):
        link = files.get(f"usr/share/doc/{package}")
        holder = link.target if link is not None and link.target else package
        member = files.get(f"usr/share/doc/{holder}/copyright")
        if member is not None and member.content:
            _write(directory / holder, member.content)
            places[package] = f"{directory.name}/{holder}"
    return places


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)


def _put_in_place(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        # Another build of the same inputs was first: its bytes are the same.
        if not (target / "manifest.json").is_file():
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
