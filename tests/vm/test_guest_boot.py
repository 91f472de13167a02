# SPDX-License-Identifier: Apache-2.0
"""Boots of the guest system that differ: odd images, another machine, failures, endings."""

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.vm.guest_image import busybox_files, program_files
from tests.vm.guest_launch import MachineSpec, guest_machine, launch
from tests.vm.guest_machine import built_guests

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def guests() -> Path:
    return built_guests()


@pytest.fixture
def plain(guests: Path) -> MachineSpec:
    return MachineSpec(image={**busybox_files(), "etc/": b""}, guests=guests)


async def test_an_image_without_a_shell_or_directories_boots_on_q35(guests: Path) -> None:
    program = program_files("/usr/bin/env")
    spec = MachineSpec(image=program, guests=guests, machine="q35", tmp_size_mib=0)

    with guest_machine(spec) as machine:
        async with await machine.connect() as connection:
            done = await connection.run("/usr/bin/env; id; echo $0; touch /tmp/x; cat /proc/mounts")

    text = str(done.stdout)
    assert "HOME=/home/sandbox\n" in text
    assert "SHELL=/run/bbox/sh\n" in text
    assert "uid=1000(sandbox) gid=1000(sandbox)" in text
    assert " /tmp " not in text
    assert done.exit_status == 0
    assert b"BBOX-WARN" not in machine.console


async def test_links_of_the_image_lead_nowhere_they_should_not(guests: Path) -> None:
    image = {
        **busybox_files(),
        "real-passwd": b"root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n",
        "etc/": b"",
        "etc/passwd": "/real-passwd",
        "etc/group": "/nowhere",
        "etc/resolv.conf": "/bbox/host_key",
        "etc/hosts": "../../../init",
        "tmp": "/var/tmp",
        "home": b"a file",
        "workspace": "/bin",
        "run": "/bbox",
    }

    with guest_machine(MachineSpec(image=image, guests=guests)) as machine:
        async with await machine.connect() as connection:
            done = await connection.run(
                "id; pwd -P; cd /tmp && pwd -P; cat /etc/resolv.conf /etc/hosts; touch ~/x && "
                "echo home; grep -c sandbox /etc/group; ls -ld /etc/passwd"
            )

    lines = str(done.stdout).splitlines()
    assert lines[0] == "uid=1000(node) gid=1000(sandbox) groups=1000(sandbox)"
    assert lines[1:7] == [
        *("/workspace", "/tmp", "nameserver 192.168.127.1", "127.0.0.1 localhost bbox-test"),
        *("home", "1"),
    ]
    assert lines[7].startswith("-rw")


def test_a_boot_without_the_workspace_fails(plain: MachineSpec) -> None:
    with guest_machine(replace(plain, with_shares=False)) as machine:
        machine.wait_for_console("^BBOX-FAIL mount lo on /m/lo")
        machine.wait_for_end()

        assert b"BBOX ready" not in machine.console


def test_an_upper_share_without_its_directories_fails(plain: MachineSpec) -> None:
    spec = replace(plain, prepare=lambda directory: shutil.rmtree(directory / "up" / "u"))

    with guest_machine(spec) as machine:
        machine.wait_for_console("^BBOX-FAIL mount workspace")
        machine.wait_for_end()


def test_a_damaged_image_is_named(plain: MachineSpec) -> None:
    spec = replace(plain, prepare=lambda at: (at / "image.sqfs").write_bytes(bytes(1 << 20)))

    with guest_machine(spec) as machine:
        machine.wait_for_console("^BBOX-FAIL mount /dev/vda on /m/image")
        machine.wait_for_end()


def test_a_probe_says_that_userspace_runs_and_ends(plain: MachineSpec) -> None:
    with guest_machine(replace(plain, probe=True, with_shares=False)) as machine:
        machine.wait_for_console("^BBOX init [0-9.]+", 15)
        machine.wait_for_console("^BBOX probe [0-9.]+", 5)
        machine.wait_for_end()


async def test_a_wrong_machine_clock_is_set_from_the_configuration(plain: MachineSpec) -> None:
    with guest_machine(replace(plain, time_ns=2_000_000_000 * 10**9)) as machine:
        async with await machine.connect() as connection:
            done = await connection.run("date +%s")

    assert 0 <= int(str(done.stdout)) - 2_000_000_000 < 60


async def test_off_is_answered_when_all_is_on_the_share(plain: MachineSpec) -> None:
    with guest_machine(plain) as machine:
        async with await machine.connect() as connection:
            done = await connection.run(
                "dd if=/dev/urandom of=data bs=1M count=8 2>/dev/null; sha256sum <data;"
                "(trap '' TERM; while :; do :; done) >/dev/null 2>&1 &"
            )
            digest = str(done.stdout).split()[0]
            begun = time.monotonic()
            answer = machine.command("OFF")
            answered = time.monotonic() - begun
            machine.qemu.kill()  # at once: nothing may be missing

        content = (machine.directory / "up" / "u" / "data").read_bytes()

    assert answer.startswith("DONE")
    assert answered < 10
    assert hashlib.sha256(content).hexdigest() == digest


async def test_a_guest_that_was_killed_amid_writes_boots_again_on_its_upper(
    plain: MachineSpec,
) -> None:
    with guest_machine(replace(plain, tree={"d/a": b"1", "gone": b"2"})) as machine:
        async with await machine.connect() as connection:
            await connection.run("rm gone; mv d/a d/b; rm -r d; mkdir d; touch d/new")
            writer = await connection.create_process(
                "i=0; while :; do i=$((i+1)); echo $i >t$i; mv t$i n$i; echo; done"
            )
            for _ in range(20):
                await writer.stdout.readline()
        machine.stop()
        launch(machine, plain)
        async with await machine.connect() as connection:
            done = await connection.run("ls d; ls gone; for f in n*; do cat $f; done | wc -l")

    assert str(done.stdout).splitlines()[0] == "new"
    assert "No such file" in str(done.stderr)
    assert int(str(done.stdout).splitlines()[1]) > 10
