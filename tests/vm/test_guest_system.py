# SPDX-License-Identifier: Apache-2.0
"""The guest system, booted by a plain QEMU: what an agent finds, and what it can't do."""

import asyncio
import os
import re
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.vm.guest_host import sandbox_user
from tests.vm.guest_image import BUSYBOX, busybox_files, program_files
from tests.vm.guest_launch import MachineSpec, guest_machine
from tests.vm.guest_machine import GuestMachine, built_guests

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]

_TREE = {"README.md": b"hello\n", "src/main.py": b"print(1)\n"}


@pytest.fixture(scope="module")
def machine() -> Iterator[GuestMachine]:
    """A guest that these tests share; none of them ends it."""
    files = {
        **busybox_files(),
        **program_files("/usr/bin/unshare"),
        "etc/": b"",
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh",  # no newline at its end
        "home/sandbox/from-image": b"",
        "+rooted/id": BUSYBOX,
    }
    spec = MachineSpec(
        image=files,
        guests=built_guests(),
        tree=_TREE,
        image_env={"PATH": "/image/bin:/bin:/usr/bin", "FROM_IMAGE": "it's\ntwo lines"},
        certificates=b"-----BEGIN CERTIFICATE-----\n",
    )
    with guest_machine(spec) as machine:
        machine.wait_for_console(r"BBOX ready \S+\r?\n")
        yield machine


@pytest.fixture
async def agent(machine: GuestMachine) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with await machine.connect() as connection:
        yield connection


@pytest.fixture
async def guest_root(machine: GuestMachine) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with await machine.connect("root") as connection:
        yield connection


async def output(connection: asyncssh.SSHClientConnection, command: str, **options: object) -> str:
    done = await connection.run(command, **options)  # type: ignore[arg-type]  # asyncssh's own options
    text = f"{done.stdout!s}{done.stderr!s}"
    assert done.exit_status == 0, text
    return text


def test_the_boot_says_each_step(machine: GuestMachine) -> None:
    text = machine.console.decode()
    steps = re.findall(r"^BBOX ([a-z]+) [0-9.]+\r?$", text, re.MULTILINE)

    assert steps[:6] == ["init", "modules", "root", "workspace", "network", "ready"]
    assert "BBOX-WARN" not in text
    assert "BBOX-FAIL" not in text


async def test_the_agent_is_uid_1000_without_any_privilege(
    agent: asyncssh.SSHClientConnection,
) -> None:
    status = dict(
        re.findall(r"^(\w+):\s+(.*)$", await output(agent, "cat /proc/self/status"), re.MULTILINE)
    )

    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4
    assert status["Groups"].split() in ([], ["1000"])
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "0"


async def test_who_logged_in_is_not_for_the_environment_to_say(
    agent: asyncssh.SSHClientConnection,
) -> None:
    names = {"USER": "root", "LOGNAME": "root", "HOME": "/root", "SHELL": "/bin/other"}
    text = await output(agent, "grep NoNew /proc/self/status; echo $USER $HOME", env=names)

    assert text == "NoNewPrivs:\t1\nsandbox /home/sandbox\n"


async def test_only_the_guest_system_is_spared_when_memory_runs_out(
    agent: asyncssh.SSHClientConnection,
) -> None:
    assert await output(agent, "cat /proc/self/oom_score_adj /proc/1/oom_score_adj") == "0\n-1000\n"


async def test_a_setuid_program_of_the_image_gives_nothing(
    agent: asyncssh.SSHClientConnection,
) -> None:
    assert (await output(agent, "/rooted/id -u")).strip() == "1000"


@pytest.mark.parametrize(
    "command",
    [
        "touch /usr/x",
        "touch /run/bbox/x",
        "echo 1 >/proc/sys/kernel/kptr_restrict",
        "echo 1 >/proc/sysrq-trigger",
        "mknod /tmp/vda b 254 0",
        "mount -t tmpfs none /tmp",
        "chroot /tmp true",
        "cat /proc/1/environ",
        "ls /proc/1/root/",
        "kill -0 1",
        "hostname other",
        "date -s @0; [ $(date +%s) -lt 1000000000 ]",
        "dmesg",
        "cat /dev/vda",
        "insmod /nothing.ko",
        "unshare -U --map-root-user sh -c 'mount -t virtiofs up /tmp'",
        "unshare -U --map-root-user --mount umount -l /",
    ],
)
async def test_the_agent_may_not(agent: asyncssh.SSHClientConnection, command: str) -> None:
    done = await agent.run(command)

    assert done.exit_status != 0


async def test_disks_and_ports_are_no_devices_of_the_agent(
    agent: asyncssh.SSHClientConnection,
) -> None:
    names = (await output(agent, "ls /dev")).split()

    assert sorted(names) == sorted(
        [
            "fd",
            "full",
            "fuse",
            "null",
            "ptmx",
            "pts",
            "random",
            "shm",
            "stderr",
            "stdin",
            "stdout",
            "tty",
            "urandom",
            "zero",
        ]
    )


async def test_the_agent_may_make_user_namespaces(agent: asyncssh.SSHClientConnection) -> None:
    command = "unshare -U --map-root-user sh -c 'id -u; echo x >/workspace/nested'"

    assert (await output(agent, command)).strip() == "0"


async def test_home_belongs_to_the_agent_with_what_the_image_put_there(
    agent: asyncssh.SSHClientConnection,
) -> None:
    text = await output(agent, "echo $HOME; touch ~/new; cd; stat -c '%u:%g %n' . *")

    assert text.split("\n")[:-1] == [
        "/home/sandbox",
        "1000:1000 .",
        "1000:1000 from-image",
        "1000:1000 new",
    ]


async def test_the_environment_is_the_clients_then_the_images(
    agent: asyncssh.SSHClientConnection,
) -> None:
    command = 'printf "%s|" "$FROM_IMAGE" "$PATH" "$BBOX" "$TERM_PROGRAM" "$USER" "$PWD"'
    plain = await output(agent, command)
    changed = await output(
        agent,
        command,
        env={"FROM_IMAGE": "client", "BBOX_PATH": "/x:/bin", "BBOX_CWD": "/", "TERM_PROGRAM": "t"},
    )

    assert plain == "it's\ntwo lines|/image/bin:/bin:/usr/bin|1||sandbox|/workspace|"
    assert changed == "client|/x:/bin|1|t|sandbox|/|"


async def test_certificates_names_and_resolver_are_there(
    agent: asyncssh.SSHClientConnection,
) -> None:
    command = (
        "cat /run/bbox/ca-certificates.crt /etc/hostname /etc/hosts /etc/resolv.conf; hostname"
    )

    assert (await output(agent, command)).splitlines() == [
        "-----BEGIN CERTIFICATE-----",
        "bbox-test",
        "127.0.0.1 localhost bbox-test",
        "nameserver 192.168.127.1",
        "bbox-test",
    ]


async def test_uid_1000_has_one_name(agent: asyncssh.SSHClientConnection) -> None:
    text = await output(agent, "id -un; id -gn; cat /etc/passwd")

    assert text.splitlines() == [
        "sandbox",
        "sandbox",
        "root:x:0:0:root:/root:/bin/sh",
        "sandbox:x:1000:1000::/home/sandbox:/bin/sh",
    ]


async def test_mounts_are_sized_and_harmless(agent: asyncssh.SSHClientConnection) -> None:
    rows = [line.split() for line in (await output(agent, "cat /proc/mounts")).splitlines()]
    options = {row[1]: set(row[3].split(",")) for row in rows}

    assert {"size=32768k", "nosuid", "nodev"} <= options["/tmp"]
    assert {"size=65536k", "nosuid", "nodev"} <= options["/run"]
    assert {"nosuid", "nodev"} <= options["/"]
    assert {"nosuid", "nodev", "userxattr"} <= options["/workspace"]
    for path in ("/proc/sys", "/sys", "/run/bbox"):
        assert "ro" in options[path], path


async def test_what_the_agent_does_lies_in_the_upper_share_as_ours(
    machine: GuestMachine, agent: asyncssh.SSHClientConnection
) -> None:
    command = (
        "echo more >>README.md; mv src/main.py moved.py; mkdir -m 700 d; stat -c %u:%g README.md d"
    )
    text = await output(agent, command)

    upper = machine.directory / "up" / "u"
    assert text.split() == ["1000:1000"] * 2
    assert (upper / "README.md").read_bytes() == b"hello\nmore\n"
    assert (upper / "moved.py").read_bytes() == _TREE["src/main.py"]
    whiteout = (upper / "src" / "main.py").lstat()
    assert stat.S_ISCHR(whiteout.st_mode)
    assert whiteout.st_rdev == 0
    owners = {path.lstat().st_uid for path in upper.rglob("*")}
    assert owners == {sandbox_user().uid}


async def test_guest_root_has_all_capabilities_and_no_way_into_the_generation(
    guest_root: asyncssh.SSHClientConnection, machine: GuestMachine
) -> None:
    text = await output(
        guest_root,
        "grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat /proc/self/oom_score_adj; touch /usr/installed && echo installed;"
        "mkdir /tmp/lo && mount -t virtiofs lo /tmp/lo && cat /tmp/lo/src/main.py;"
        "touch /tmp/lo/x || echo refused; chown 0:0 /tmp/lo/README.md || echo refused;"
        "touch /workspace/by-root || echo unmapped; setpriv --dump >/dev/null; true",
    )

    assert "CapEff:\t000001ffffffffff" in text
    assert "NoNewPrivs:\t0" in text
    assert text.splitlines()[2] == "0"
    for word in ("installed", "print(1)", "Read-only file system", "unmapped"):
        assert word in text
    assert text.count("refused") == 2
    assert not (machine.directory / "lo" / "x").exists()


async def test_exit_statuses_and_signals_arrive(agent: asyncssh.SSHClientConnection) -> None:
    failed, killed = await agent.run("exit 42"), await agent.run("kill -TERM $$")

    assert failed.exit_status == 42
    assert killed.exit_signal is not None
    assert killed.exit_signal[0] == "TERM"


async def test_a_terminal_has_its_size_and_follows_a_resize(
    agent: asyncssh.SSHClientConnection,
) -> None:
    async with asyncio.timeout(60):
        process = await agent.create_process(
            "stty size; echo $TERM; trap 'stty size; exit 3' WINCH; while :; do sleep 0.1; done",
            term_type="xterm-256color",
            term_size=(80, 24),
        )
        first = [await process.stdout.readline() for _ in range(2)]
        process.change_terminal_size(100, 40)
        resized = await process.stdout.readline()
        await process.wait_closed()

    assert [line.strip() for line in first] == ["24 80", "xterm-256color"]
    assert resized.strip() == "40 100"
    assert process.exit_status == 3


async def test_a_shell_without_a_command_is_a_terminals(
    agent: asyncssh.SSHClientConnection,
) -> None:
    done = await agent.run(None, input="echo $0 $PWD; exit 5\n")

    assert done.stdout == "/bin/sh /workspace\n"
    assert done.exit_status == 5


async def test_files_go_both_ways(agent: asyncssh.SSHClientConnection) -> None:
    content = os.urandom(100_000)
    async with agent.start_sftp_client() as sftp:
        async with sftp.open("/home/sandbox/f", "wb") as file:
            await file.write(content)
        async with sftp.open("/home/sandbox/f", "rb") as file:
            read: str | bytes = await file.read()
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.mkdir("/usr/by-sftp")

    assert read == content


async def test_a_new_connection_replaces_one_whose_output_floods(machine: GuestMachine) -> None:
    connection = await machine.connect()
    process = await connection.create_process("cat /dev/zero", encoding=None)
    await process.stdout.readexactly(100_000)
    connection.abort()

    begun = time.monotonic()
    async with await machine.connect() as other:
        text = await output(other, "echo again")
        ended = await output(other, "sleep 1; pidof cat || echo gone")

    assert text == "again\n"
    assert ended == "gone\n"
    assert time.monotonic() - begun < 20


async def test_orphans_leave_no_zombies(agent: asyncssh.SSHClientConnection) -> None:
    await output(agent, "for i in 1 2 3 4 5; do (sleep 0.2 &) ; done; sleep 1")

    states = await output(agent, "cat /proc/[0-9]*/stat 2>/dev/null | cut -d' ' -f3; true")

    assert "Z" not in states.split()


async def test_the_clock_is_the_hosts_and_can_be_set(
    machine: GuestMachine, agent: asyncssh.SSHClientConnection
) -> None:
    now = int(await output(agent, "date +%s"))
    assert abs(now - time.time()) < 5

    answer = machine.command("CLOCK", "1000000000")
    then = int(await output(agent, "date +%s"))
    machine.command("CLOCK", str(int(time.time())))

    assert answer.startswith("DONE")
    assert 1_000_000_000 <= then < 1_000_000_030


def test_a_wrong_command_is_answered(machine: GuestMachine) -> None:
    assert machine.command("NONSENSE").endswith("unknown")
    assert machine.command("CLOCK", "noon").endswith("clock")
    assert machine.command("PING").startswith("DONE")


async def test_a_kill_for_want_of_memory_is_told(
    machine: GuestMachine, agent: asyncssh.SSHClientConnection
) -> None:
    await asyncio.sleep(0)
    done = await agent.run("dd if=/dev/zero of=/dev/null bs=430M count=1")

    assert done.exit_signal is not None
    assert done.exit_signal[0] == "KILL"
    assert re.fullmatch(r"OOM [0-9]+ \S+", machine.read_control(r"OOM .*"))
    machine.wait_for_console(r"^BBOX-OOM [0-9]+ \S+", 5)
    assert (await agent.run("echo alive")).stdout == "alive\n"


async def test_sysctls_are_the_references(agent: asyncssh.SSHClientConnection) -> None:
    names = "kernel/kptr_restrict kernel/dmesg_restrict kernel/unprivileged_bpf_disabled"
    names += " kernel/perf_event_paranoid kernel/yama/ptrace_scope kernel/sysrq"
    text = await output(agent, f"cd /proc/sys; cat {names}")

    assert text.split() == ["2", "1", "1", "3", "2", "0"]


def test_guests_are_built_where_the_sandbox_user_can_read(machine: GuestMachine) -> None:
    assert Path(machine.directory, "initramfs").stat().st_uid == sandbox_user().uid
