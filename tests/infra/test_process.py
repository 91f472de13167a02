# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.capture import run, run_blocking
from bbox_server.infra.process.child import spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.descriptors import Lines
from bbox_server.infra.process.printable import printable
from bbox_server.infra.process.programs import find_program
from bbox_server.infra.process.sandbox_user import SandboxUser, resolve_sandbox_user

NOBODY = SandboxUser(uid=64998, gid=64998)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")


def shell(script: str) -> Command:
    return Command(argv=("sh", "-c", script))


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def soon_gone(pid: int) -> bool:
    """SIGKILL to a process that is not our own child takes a moment."""
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        os.sched_yield()
    return not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_output_errors_and_exit_code_are_told_apart() -> None:
    completed = await run(shell("echo out; echo err >&2; exit 3"))
    assert (completed.output, completed.errors, completed.exit_code) == (b"out\n", b"err\n", 3)


async def test_a_failure_names_the_program_and_its_last_words() -> None:
    completed = await run(shell("echo one >&2; printf 'bad \\033[2J' >&2; exit 4"))
    with pytest.raises(BboxError, match=r"sh ended with exit code 4: bad \\x1b\[2J") as caught:
        completed.check()
    assert caught.value.code is ErrorCode.PROCESS_FAILED


async def test_bytes_are_read_as_input() -> None:
    content = os.urandom(300_000)
    assert (await run(Command(argv=("cat",), stdin=content))).output == content


async def test_without_input_stdin_is_at_its_end() -> None:
    assert (await run(Command(argv=("cat",)))).output == b""


async def test_output_can_go_to_a_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        await run(Command(argv=("echo", "hi"), stdout=file.fileno()))
    assert (tmp_path / "out").read_text() == "hi\n"


async def test_the_environment_is_exactly_what_was_given() -> None:
    command = Command(argv=("env",), env={"A": "1"})
    assert set((await run(command)).output.split()) == {b"A=1", b"PWD=/"}


async def test_output_over_the_limit_ends_the_child() -> None:
    with pytest.raises(BboxError, match="wrote more than 1000 bytes") as caught:
        await run(Command(argv=("cat", "/dev/zero")), limit_bytes=1000)
    assert caught.value.code is ErrorCode.PROCESS_FAILED


async def test_a_child_that_only_complains_is_drained_and_bounded() -> None:
    completed = await run(shell("head -c 1000000 /dev/zero >&2; echo end >&2"))
    assert len(completed.errors) == 16 * 1024
    assert completed.errors.endswith(b"end\n")


async def test_a_missing_program_names_the_package() -> None:
    command = Command(argv=("git",), env={"PATH": "/nonexistent"})
    with pytest.raises(BboxError, match="apt-get install git") as caught:
        await run(command)
    assert caught.value.code is ErrorCode.DEPENDENCY_MISSING


def test_a_program_is_found_in_its_places_first() -> None:
    assert find_program("sh", places=("/nonexistent/sh", "/bin/sh")) == "/bin/sh"


async def test_passed_descriptors_keep_their_number(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("through")
    with (tmp_path / "f").open("rb") as file:
        fd = file.fileno()
        completed = await run(Command(argv=("cat", f"/proc/self/fd/{fd}"), pass_fds=(fd,)))
    assert completed.output == b"through"


async def test_other_descriptors_do_not_leak() -> None:
    fd = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(fd, True)  # noqa: FBT003 - positional only
    try:
        listing = (await run(Command(argv=("ls", "-l", "/proc/self/fd")))).output
    finally:
        os.close(fd)
    assert b"/dev/zero" not in listing


async def test_leaving_the_context_ends_the_whole_group() -> None:
    async with spawn(shell("sleep 1000 & echo $!; wait")) as child:
        grandchild = int(await child.output.read())
        assert is_running(child.pid)
    assert not is_running(child.pid)
    assert soon_gone(grandchild)


async def test_a_child_that_ignores_sigterm_is_killed() -> None:
    async with spawn(shell("trap '' TERM; echo ready; sleep 1000")) as child:
        await child.output.read()
        assert await child.stop(grace_s=0.2) == -signal.SIGKILL


async def test_a_child_that_writes_on_and_on_is_killed() -> None:
    async with spawn(shell("trap '' TERM; exec cat /dev/zero")) as child:
        await child.output.read()
        began = time.monotonic()
        assert await child.stop(grace_s=0.2) == -signal.SIGKILL
    assert time.monotonic() - began < 3


async def test_a_child_that_ends_on_sigterm_may_write_much_before() -> None:
    script = (
        "trap 'head -c 500000 /dev/zero; exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    )
    async with spawn(shell(script)) as child:
        await child.output.read()
        assert await child.stop(grace_s=10) == 7


async def test_many_may_wait_for_the_same_child() -> None:
    async with spawn(shell("read x")) as child, asyncio.TaskGroup() as group:
        waiters = [group.create_task(child.wait()) for _ in range(3)]
    assert {waiter.result() for waiter in waiters} == {1}


async def test_cancelling_ends_the_child() -> None:
    pids: list[int] = []

    async def hold() -> None:
        async with spawn(shell("trap '' TERM; sleep 1000")) as child:
            pids.append(child.pid)
            await child.wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await hold()
    assert not is_running(pids[0])


async def test_what_a_dead_child_left_in_the_background_is_ended() -> None:
    async with spawn(shell("sleep 1000 & echo $!")) as child:
        grandchild = int(await child.output.read())
        assert await child.wait() == 0
    assert soon_gone(grandchild)


async def test_no_descriptor_is_left_open() -> None:
    before = open_descriptors()
    for _ in range(5):
        await run(shell("echo x; echo y >&2"))
    assert open_descriptors() == before


@pytest.mark.parametrize(
    "user", [pytest.param(None), pytest.param(NOBODY, marks=needs_root)], ids=["same", "dropped"]
)
def test_the_child_dies_with_a_parent_that_is_killed(user: SandboxUser | None) -> None:
    script = f"""
import asyncio
from bbox_server.infra.process.child import spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.sandbox_user import SandboxUser
async def main():
    async with spawn(Command(argv=("sleep", "1000"), user={user!r})) as child:
        print(child.pid, flush=True)
        await child.wait()
asyncio.run(main())
"""
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_for_program(pid, b"/usr/bin/sleep")
        parent.kill()
    assert soon_gone(pid)


def wait_for_program(pid: int, name: bytes) -> None:
    deadline = time.monotonic() + 5
    while not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(name):
        assert time.monotonic() < deadline
        os.sched_yield()


@needs_root
async def test_the_dropped_user_has_no_group_and_no_capability() -> None:
    status = (await run(Command(argv=("cat", "/proc/self/status"), user=NOBODY))).output.decode()
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert lines["Uid"].split() == ["64998"] * 4
    assert lines["Gid"].split() == ["64998"] * 4
    assert lines["Groups"].split() == []
    assert {lines[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert lines["NoNewPrivs"] == "1"


def test_run_blocking_serves_code_without_a_loop() -> None:
    assert run_blocking(Command(argv=("echo", "x")), timeout_s=10).output == b"x\n"


async def test_run_blocking_serves_threads() -> None:
    completed = await asyncio.to_thread(run_blocking, Command(argv=("echo", "x")), timeout_s=10)
    assert completed.output == b"x\n"


def test_run_blocking_ends_a_child_that_takes_too_long() -> None:
    with pytest.raises(BboxError, match=r"sleep did not end within 0\.2 s"):
        run_blocking(Command(argv=("sleep", "1000")), timeout_s=0.2)


@pytest.mark.parametrize(
    ("uid", "gid", "environment", "expected"),
    [
        (1000, 1000, {"SUDO_UID": "5"}, (1000, 1000)),
        (1000, 0, {}, (1000, 0)),
        (0, 0, {}, (64998, 64998)),
        (0, 0, {"SUDO_UID": "1001", "SUDO_GID": "1002"}, (1001, 1002)),
        (0, 0, {"SUDO_UID": "0", "SUDO_GID": "0"}, (64998, 64998)),
        (0, 0, {"SUDO_UID": "1001"}, (1001, 1001)),
        (0, 0, {"SUDO_UID": "-1"}, (64998, 64998)),
        (0, 0, {"SUDO_UID": "4294967295"}, (64998, 64998)),
        (0, 0, {"SUDO_UID": "٣"}, (64998, 64998)),
    ],
)
def test_the_sandbox_user_is_never_root(
    uid: int, gid: int, environment: dict[str, str], expected: tuple[int, int]
) -> None:
    user = resolve_sandbox_user(uid=uid, gid=gid, environment=environment)
    assert (user.uid, user.gid) == expected


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    assert printable("a\x1b]0;t\x07\u202e\x9b é\n") == "a\\x1b]0;t\\x07\\u202e\\x9b é\\n"


def test_a_long_line_is_cut() -> None:
    assert printable(b"x" * 1000, limit=10) == "xxxxxxxxxx"
    assert printable("\x1b" * 10, limit=10) == "\\x1b\\x1b\\…"


async def received(content: bytes, limit_bytes: int) -> list[bytes]:
    lines: list[bytes] = []
    ended = asyncio.Event()
    reading, writing = os.pipe()
    Lines(reading, lines.append, on_end=ended.set, limit_bytes=limit_bytes)
    for byte in content:
        os.write(writing, bytes([byte]))
        await asyncio.sleep(0)
    os.close(writing)
    await ended.wait()
    return lines


async def test_lines_arrive_whole_and_the_last_one_without_its_end() -> None:
    assert await received(b"one\n\ntwo\nrest", 100) == [b"one", b"", b"two", b"rest"]


async def test_an_endless_line_is_handed_on_in_pieces() -> None:
    lines = await received(b"x" * 1000, 10)
    assert b"".join(lines) == b"x" * 1000
    assert max(map(len, lines)) <= 10


async def test_a_stream_without_end_can_be_closed() -> None:
    zeros = os.open("/dev/zero", os.O_RDONLY)
    pieces: list[bytes] = []
    reading, writing = os.pipe()
    lines = Lines(reading, pieces.append)
    os.dup2(zeros, reading)
    lines.close()
    os.close(zeros)
    os.close(writing)
    assert pieces


async def test_the_end_of_a_child_calls_back() -> None:
    ended = asyncio.Event()
    async with spawn(shell("exit 0")) as child:
        child.when_ended(ended.set)
        await ended.wait()
        assert await child.wait() == 0


@needs_root
async def test_a_dropped_user_may_keep_a_group() -> None:
    command = Command(argv=("id", "-G"), user=NOBODY, groups=(4321,))
    assert (await run(command)).output == b"64998 4321\n"
