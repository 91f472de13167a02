# SPDX-License-Identifier: Apache-2.0
"""How real VMs fail to start, and how they end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.terminal import GuestCommand, GuestUser
from bbox_server.domain.vm import StopMode, VmEnd
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.qemu.machine import MachineType
from bbox_server.infra.qemu.settings import Deadlines
from tests.vm.booted import BUSYBOX, House, booted, processes_of, say

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


async def failure(house: House, **settings: object) -> BboxError:
    with pytest.raises(BboxError) as caught:
        async with booted(house, **settings):
            pass
    assert processes_of(house) == {}
    return caught.value


async def test_a_guest_that_never_gets_to_its_first_mark_is_ended(house: House) -> None:
    error = await failure(
        house,
        append="rdinit=/bin/sh",  # waits at the console for a line that never comes
        machines=(MachineType.MICROVM,),
        deadlines=Deadlines(init_s=6),
    )
    assert error.code is ErrorCode.BOOT_TIMEOUT
    assert "did not reach `init` within 6 s" in error.cause


async def test_a_kernel_that_panics_is_told_with_its_words(house: House) -> None:
    error = await failure(house, append="rdinit=/nothing", machines=(MachineType.MICROVM,))
    assert error.code is ErrorCode.BOOT_FAILED
    assert "Kernel panic - not syncing" in error.cause
    assert "build-guest" in error.remediation


async def test_a_damaged_image_is_told(house: House) -> None:
    image = house.root / "broken.sqfs"
    image.write_bytes(b"hsqs" + bytes(1 << 20))
    image.chmod(0o644)
    broken = replace(house, spec=replace(house.spec, root_filesystem=HostPath(str(image))))
    error = await failure(broken)
    assert error.code is ErrorCode.IMAGE_CORRUPT


async def test_the_other_machine_type_boots_too(house: House) -> None:
    async with booted(house, machines=(MachineType.Q35,)) as sandbox, sandbox.shell() as shell:
        assert await say(shell, "cat hello") == "hello\n"


async def test_a_panic_of_a_running_guest_is_told(house: House) -> None:
    async with booted(house) as sandbox:
        async with sandbox.shell(GuestUser.ROOT) as shell:
            crash = GuestCommand(argv=(BUSYBOX, "sh", "-c", "echo c >/proc/sysrq-trigger"))
            async with shell.run(crash):
                exit_ = await sandbox.vm.wait()
        assert exit_.end is VmEnd.GUEST_PANIC
        assert any("Kernel panic" in line for line in exit_.console_tail)


async def test_an_agent_that_memory_runs_out_for_is_named(house: House) -> None:
    async with booted(house) as sandbox, sandbox.shell() as shell:
        async with shell.run(GuestCommand(argv=(BUSYBOX, "tail", "/dev/zero"))) as process:
            assert await process.wait() == ExitStatus(code=None, signal="KILL")
        assert sandbox.vm.memory_kills() == ("busybox",)
        assert await say(shell, "echo alive") == "alive\n"


async def test_a_guest_that_nobody_spoke_to_for_a_while_obeys(house: House) -> None:
    async with booted(house) as sandbox:
        await asyncio.sleep(4)  # the guest loads its last modules after two idle seconds
        assert (await sandbox.vm.stop(StopMode.GRACEFUL)).end is VmEnd.POWERED_OFF


@needs_root
async def test_a_full_host_disk_is_the_guests_error_and_not_its_end(house: House) -> None:
    state = house.root / "state"
    mount = ["mount", "-t", "tmpfs", "-o", "size=70m,mode=711", "small", str(state)]
    subprocess.run(mount, check=True)  # noqa: ASYNC221 - a moment, the test's own argv
    try:
        async with booted(house) as sandbox, sandbox.shell() as shell:
            await say(shell, "head -c 75000000 /dev/urandom >/tmp/much; sync; true")
            assert await say(shell, "echo alive") == "alive\n"
            assert (await sandbox.vm.stop(StopMode.GRACEFUL)).end is VmEnd.POWERED_OFF
    finally:
        subprocess.run(["umount", str(state)], check=True)  # noqa: ASYNC221 - as above


async def test_a_share_that_dies_ends_the_vm(house: House) -> None:
    async with booted(house) as sandbox:
        for pid, words in processes_of(house).items():
            if f"source={house.root}/upper" in words:
                os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            exit_ = await sandbox.vm.wait()
        assert exit_.end is VmEnd.KILLED
        assert any(f"{house.root}/upper ended" in line for line in exit_.console_tail)
        with pytest.raises(BboxError) as caught:
            await sandbox.vm.open_shell_channel()
        assert caught.value.code is ErrorCode.GUEST_LOST


async def test_what_the_agent_wrote_survives_a_kill(house: House) -> None:
    async with booted(house) as sandbox:
        async with sandbox.shell() as shell:
            await say(shell, "echo new >new; echo more >>hello; mkdir -p d/e; echo x >d/e/f")
        await sandbox.vm.stop(StopMode.NOW)
    upper = house.root / "upper/u"
    assert (upper / "new").read_text() == "new\n"
    assert (upper / "hello").read_text() == "hello\nmore\n"
    assert (upper / "d/e/f").read_text() == "x\n"


async def test_qemu_and_the_shares_are_never_root(house: House) -> None:
    async with booted(house):
        pids = processes_of(house)
        uids = {os.stat(f"/proc/{pid}").st_uid for pid in pids}  # noqa: PTH116 - as async code may
        assert len(pids) >= 3
        assert uids == {house.settings.user.uid}


def test_everything_dies_with_a_host_process_that_is_killed(house: House) -> None:
    script = f"""
import asyncio
from pathlib import Path
from tests.vm.booted import booted, open_house
async def main():
    async with booted(open_house(Path({str(house.root)!r}), {house.spec.session!r})) as sandbox:
        print("up", flush=True)
        await sandbox.vm.wait()
asyncio.run(main())
"""
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        assert len(processes_of(house)) >= 3
        owner.kill()
    deadline = time.monotonic() + 5
    while processes_of(house) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of(house) == {}
    assert {entry.name for entry in (house.root / "state").iterdir()} == {"console.log"}
