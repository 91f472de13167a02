# SPDX-License-Identifier: Apache-2.0
"""The backend short of a guest: programs in QEMU's place, and what is missing."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId
from bbox_server.domain.vm import (
    Accelerator,
    BootFiles,
    GuestConfig,
    GuestSystem,
    ShellIdentity,
    VmResources,
    VmSpec,
    WorkspaceShare,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.programs import SYSTEM_PATH
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from bbox_server.infra.qemu.backend import QEMU, QemuBackend
from bbox_server.infra.qemu.machine import MachineType
from bbox_server.infra.qemu.settings import Deadlines, QemuSettings

USER = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})
IDENTITY = ShellIdentity(
    host_private_key=b"", host_public_key=b"", client_private_key=b"", client_public_key=b""
)


ANSWER = """#!/usr/bin/python3
import re, os, sys
fd = int(re.search("id=control,fd=([0-9]+)", " ".join(sys.argv))[1])
while line := os.read(fd, 4096).split():
    os.write(fd, b"DONE " + line[1] + b"\\n")
"""


@dataclass(frozen=True)
class FileGuestSystem(GuestSystem):
    """Two files that are no kernel."""

    kernel: Path

    @override
    def assemble(self, guest: GuestConfig, into: HostPath) -> BootFiles:
        initramfs = Path(into, "initramfs")
        initramfs.write_bytes(b"initramfs")
        return BootFiles(kernel=HostPath(str(self.kernel)), initramfs=HostPath(str(initramfs)))


@dataclass(frozen=True)
class House:
    """Directories, a spec and a backend whose QEMU is a script."""

    root: Path
    settings: QemuSettings
    spec: VmSpec

    def backend(self, **changes: object) -> QemuBackend:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # replace is untyped
        return QemuBackend(FileGuestSystem(self.root / "kernel"), settings)

    def install(self, script: str) -> None:
        """Put a script in QEMU's place; in it, `answer` does what a guest's control port does."""
        for name, text in ((QEMU, f"#!/bin/sh\n{script}\n"), ("answer", ANSWER)):
            program = self.root / "bin" / name
            program.write_text(text)
            program.chmod(0o755)


@pytest.fixture
def house(sandbox_dir: Path) -> Iterator[House]:
    for name in ("bin", "cache", "run", "state", "lower", "upper", "upper/u", "upper/w"):
        (sandbox_dir / name).mkdir()
        if name[0] in "lu":
            os.chown(sandbox_dir / name, USER.uid, USER.gid)
    (sandbox_dir / "kernel").write_bytes(b"kernel")
    (sandbox_dir / "kvm").touch(mode=0o666)
    (sandbox_dir / "kvm").chmod(0o666)
    (sandbox_dir / "root.sqfs").write_bytes(b"hsqs")
    with socket.socket(socket.AF_UNIX) as relay:
        relay.bind(str(sandbox_dir / "run/net"))
        relay.listen()
        yield House(
            root=sandbox_dir,
            settings=QemuSettings(
                user=USER,
                cache_directory=sandbox_dir / "cache",
                accelerator=Accelerator.TCG,
                kvm_device=sandbox_dir / "kvm",
                deadlines=Deadlines(probe_s=1, init_s=1, ready_s=1),
                path=f"{sandbox_dir}/bin:{SYSTEM_PATH}",
            ),
            spec=make_spec(sandbox_dir),
        )


def make_spec(root: Path) -> VmSpec:
    def at(name: str) -> HostPath:
        return HostPath(str(root / name))

    return VmSpec(
        session=SessionId("0123abcd"),
        runtime_directory=at("run"),
        root_filesystem=at("root.sqfs"),
        share=WorkspaceShare(lower=at("lower"), upper=at("upper")),
        network_socket=at("run/net"),
        console_log=at("state/console.log"),
        resources=VmResources(cpus=1, memory_mib=128, tmp_size_mib=0),
        guest=GuestConfig(hostname="g", tmp_size_mib=0, identity=IDENTITY, time_ns=0),
    )


async def start(backend: QemuBackend, spec: VmSpec) -> None:
    async with backend.start(spec):
        pass


async def failure(backend: QemuBackend, spec: VmSpec) -> BboxError:
    with pytest.raises(BboxError) as caught:
        await start(backend, spec)
    return caught.value


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


def running(marker: str) -> list[int]:
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and directory.name != str(os.getpid()):
            try:
                words = (directory / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in words:
                found.append(int(directory.name))
    return found


async def test_a_missing_qemu_names_the_package(house: House) -> None:
    error = await failure(house.backend(path="/nonexistent"), house.spec)
    assert error.code is ErrorCode.DEPENDENCY_MISSING
    assert "apt-get install qemu-system-x86" in error.remediation


async def test_a_qemu_that_ends_is_told_with_its_words(house: House) -> None:
    house.install("echo 'BBOX-some console'; echo 'qemu: \033[2Jbad machine' >&2; exit 1")
    error = await failure(house.backend(), house.spec)
    assert error.code is ErrorCode.BOOT_FAILED
    assert "qemu: \\x1b[2Jbad machine" in error.cause
    assert "BBOX-some console" in error.cause


async def test_a_boot_that_hangs_is_ended(house: House) -> None:
    house.install("echo 'tsc: Unable to calibrate against PIT'; trap '' TERM; sleep 1000")
    began = time.monotonic()
    error = await failure(house.backend(machines=(MachineType.MICROVM,)), house.spec)
    assert error.code is ErrorCode.BOOT_TIMEOUT
    assert "did not reach `init` within 1 s" in error.cause
    assert time.monotonic() - began < 10
    assert running(str(house.root)) == []


async def test_the_second_machine_type_is_tried_when_the_first_hangs(house: House) -> None:
    house.install(
        'case "$*" in *microvm*) sleep 1000;; *) echo "BBOX init 1.0"; echo "BBOX ready 2.0"; '
        f'exec {house.root}/bin/answer "$@";; esac'
    )
    async with house.backend().start(house.spec) as vm:
        assert vm.console_tail() == ("BBOX init 1.0", "BBOX ready 2.0")
    assert running(str(house.root)) == []


async def test_a_guest_that_gives_up_is_not_started_again(house: House) -> None:
    house.install(
        f"echo x >>{house.root}/bin/starts; echo 'BBOX init 1.0'; "
        "echo 'BBOX-FAIL mount workspace (overlay)'; sleep 1000"
    )
    (house.root / "bin").chmod(0o777)
    error = await failure(house.backend(), house.spec)
    assert error.code is ErrorCode.BOOT_FAILED
    assert "The guest gave up: mount workspace (overlay)." in error.cause
    assert (house.root / "bin/starts").read_text() == "x\n"


async def test_a_guest_that_does_not_answer_is_told_with_its_words(house: House) -> None:
    house.install("echo 'BBOX init 1.0'; echo 'BBOX ready 2.0'; echo 'no control'; sleep 1000")
    error = await failure(house.backend(deadlines=Deadlines(channel_s=0.5)), house.spec)
    assert error.code is ErrorCode.BOOT_TIMEOUT
    assert "did not answer on its control port within 0.5 s" in error.cause
    assert "no control" in error.cause


async def test_a_relay_that_does_not_listen_is_told(house: House) -> None:
    (house.root / "run/net").unlink()
    error = await failure(house.backend(), house.spec)
    assert error.code is ErrorCode.EGRESS_RELAY_FAILED


async def test_an_image_that_is_not_there_is_told(house: House) -> None:
    (house.root / "root.sqfs").unlink()
    error = await failure(house.backend(), house.spec)
    assert error.code is ErrorCode.IMAGE_CORRUPT


async def test_too_little_memory_is_told(house: House) -> None:
    resources = replace(house.spec.resources, memory_mib=64)
    error = await failure(house.backend(), replace(house.spec, resources=resources))
    assert error.code is ErrorCode.SIZE_INVALID
    assert "64 MiB" in error.cause


async def test_a_directory_that_can_not_be_written_is_told(house: House) -> None:
    (house.root / "state").rmdir()
    error = await failure(house.backend(), house.spec)
    assert error.code is ErrorCode.BOOT_FAILED
    assert f"{house.root}/state" in error.cause


async def test_cancelling_a_start_leaves_nothing(house: House) -> None:
    house.install("sleep 1000")
    before = open_descriptors()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await start(house.backend(deadlines=Deadlines()), house.spec)
    assert running(str(house.root)) == []
    assert open_descriptors() <= before
    assert names(house.root / "run") <= {"net", "ssh"}


async def test_a_kvm_that_boots_a_guest_is_taken(house: House) -> None:
    house.install('case "$*" in *"-accel kvm"*) echo "BBOX init 0.3"; sleep 1000;; esac')
    verdict = await house.backend(accelerator=None).probe()
    assert (verdict.accelerator, verdict.warning) == (Accelerator.KVM, "")
    assert running(str(house.root)) == []


async def test_a_kvm_that_hangs_is_killed_and_remembered(house: House) -> None:
    house.install("trap '' TERM; sleep 1000")
    verdict = await house.backend(accelerator=None).probe()
    assert verdict.accelerator is Accelerator.TCG
    assert "within 1 s" in verdict.warning
    assert "\n" not in verdict.warning
    assert running(str(house.root)) == []
    began = time.monotonic()
    assert await house.backend(accelerator=None).probe() == verdict
    assert time.monotonic() - began < 0.5


async def test_a_new_qemu_is_probed_anew(house: House) -> None:
    house.install("exit 1")
    assert (await house.backend(accelerator=None).probe()).accelerator is Accelerator.TCG
    house.install("echo 'BBOX init 0.3'; exec sleep 1000")
    assert (await house.backend(accelerator=None).probe()).accelerator is Accelerator.KVM


async def test_a_damaged_verdict_is_found_anew(house: House) -> None:
    (house.root / "cache/accelerator.json").write_text('{"x": ["\\ud800"')
    house.install("exit 1")
    assert (await house.backend(accelerator=None).probe()).accelerator is Accelerator.TCG


async def test_no_device_needs_no_probe(house: House) -> None:
    (house.root / "kvm").unlink()
    verdict = await house.backend(accelerator=None).probe()
    assert "there is no" in verdict.warning


async def test_a_device_that_is_closed_to_us_needs_no_probe(house: House) -> None:
    (house.root / "kvm").chmod(0)
    verdict = await house.backend(accelerator=None).probe()
    assert verdict.accelerator is Accelerator.TCG
    assert "is mode 0000 of " in verdict.warning
    assert "joining that does not help" in verdict.remedy


async def test_a_boot_that_hangs_on_a_good_verdict_is_probed_anew(house: House) -> None:
    house.install(
        'case "$*" in *chardev=monitor*) sleep 1000;; *) echo "BBOX init 0.3"; sleep 1000;; esac'
    )
    backend = house.backend(accelerator=None, machines=(MachineType.MICROVM,))
    await failure(backend, house.spec)
    assert not (house.root / "cache/accelerator.json").exists()
