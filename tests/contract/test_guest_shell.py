# SPDX-License-Identifier: Apache-2.0
"""What every guest shell does: the fake one, and OpenSSH in a booted guest.

Each command has two forms of the same behaviour: words for the guest, and a function for the fake.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
import pytest_asyncio

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.terminal import GuestCommand, GuestProcess, GuestShell, TerminalSize
from tests.fakes.terminal import FakeProcess, FakeShellConnector, Program
from tests.fakes.vm import FakeVmBackend
from tests.vm.booted import booted, make_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = TerminalSize(columns=100, rows=30)
DONE = ExitStatus(code=0)
BUSYBOX = "/run/bbox/busybox"


async def cat(process: FakeProcess) -> ExitStatus:
    while chunk := await process.input.get():
        await process.output.put(chunk)
    return DONE


async def complain(process: FakeProcess) -> ExitStatus:
    await process.errors.put(b"oops\n")
    return ExitStatus(code=7)


async def greet(process: FakeProcess) -> ExitStatus:
    command = process.command
    await process.output.put(f"{command.env['GREETING']}|{command.directory}\n".encode())
    return DONE


async def tell_size(process: FakeProcess) -> ExitStatus:
    for _ in range(2):
        assert process.size is not None
        await process.output.put(f"{process.size.rows} {process.size.columns}\r\n".encode())
        await process.input.get()
    return DONE


async def flood(process: FakeProcess) -> ExitStatus:
    await process.output.put(bytes(3_000_000))
    return DONE


async def tell_words(process: FakeProcess) -> ExitStatus:
    words = process.command.argv[5:]
    await process.output.put("".join(f"{word}|" for word in words).encode())
    return DONE


async def sleep(process: FakeProcess) -> ExitStatus:
    await process.output.put(b"ready\n")
    await asyncio.sleep(1000)
    return DONE


FORMS: dict[str, tuple[str, Program]] = {
    "cat": ("exec cat", cat),
    "complain": ("echo oops >&2; exit 7", complain),
    "greet": ('echo "$GREETING|$PWD"', greet),
    "tell_size": ("stty size; read -r x; stty size", tell_size),
    "flood": ("exec head -c 3000000 /dev/zero", flood),
    "tell_words": ("printf '%s|' \"$@\"", tell_words),
    "sleep": ("echo ready; exec sleep 1000", sleep),
}


def form(name: str, *words: str) -> GuestCommand:
    """One behaviour: the guest takes the script, the fake the name (`$0` of the script)."""
    return GuestCommand(argv=(BUSYBOX, "sh", "-c", FORMS[name][0], name, *words))


async def play(process: FakeProcess) -> ExitStatus:
    return await FORMS[process.command.argv[4]][1](process)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def booted_shell() -> AsyncIterator[GuestShell]:
    with make_house() as house:
        async with booted(house) as sandbox, sandbox.shell() as shell:
            yield shell


@pytest_asyncio.fixture(loop_scope="module")
async def fake_shell() -> AsyncIterator[GuestShell]:
    connector = FakeShellConnector({BUSYBOX: play})
    with make_house() as house:
        async with FakeVmBackend().start(house.spec) as vm:
            channel = await vm.open_shell_channel()
            async with connector.connect(channel, connector.new_identity()) as shell:
                yield shell


@pytest.fixture(
    params=[
        "fake_shell",
        pytest.param("booted_shell", marks=[pytest.mark.vm, pytest.mark.timeout(120)]),
    ]
)
def shell(request: pytest.FixtureRequest) -> GuestShell:
    chosen: GuestShell = request.getfixturevalue(request.param)
    return chosen


async def everything(process: GuestProcess) -> bytes:
    output = b""
    while chunk := await process.read():
        assert len(chunk) <= 64 * 1024
        output += chunk
    return output


async def until(process: GuestProcess, wanted: bytes) -> bytes:
    output = b""
    while wanted not in output:
        chunk = await process.read()
        assert chunk, output
        output += chunk
    return output


async def test_input_comes_back_and_its_end_ends_the_command(shell: GuestShell) -> None:
    async with shell.run(form("cat")) as process:
        await process.write(b"one\0two\xff")
        assert await until(process, b"\xff") == b"one\0two\xff"
        await process.write(b"")
        assert await process.read() == b""
        assert await process.wait() == DONE


async def test_errors_are_apart_and_the_exit_code_is_told(shell: GuestShell) -> None:
    async with shell.run(form("complain")) as process:
        assert await process.read_error() == b"oops\n"
        assert await everything(process) == b""
        assert await process.wait() == ExitStatus(code=7)


async def test_a_command_that_is_not_there_ends_with_127(shell: GuestShell) -> None:
    async with shell.run(GuestCommand(argv=("/nonexistent",), directory="/")) as process:
        assert (await process.wait()).code == 127


async def test_environment_and_directory_are_the_commands(shell: GuestShell) -> None:
    hello = "two words\nand 'quotes' $HOME"
    command = replace(form("greet"), env={"GREETING": hello}, directory="/tmp")
    async with shell.run(command) as process:
        assert (await everything(process)).decode() == f"{hello}|/tmp\n"


async def test_words_arrive_as_they_are(shell: GuestShell) -> None:
    words = ("a b", "$HOME", "'\"", "*", "", "new\nline", "-n", "é", "\\")
    async with shell.run(form("tell_words", *words)) as process:
        assert (await everything(process)).decode() == "".join(f"{word}|" for word in words)


async def test_a_terminal_has_its_size_and_takes_another(shell: GuestShell) -> None:
    async with shell.run(replace(form("tell_size"), terminal=SIZE)) as process:
        assert await process.read_error() == b""
        await until(process, b"30 100\r\n")
        await process.control(TerminalSize(columns=120, rows=40))
        await process.write(b"x\n")
        await until(process, b"40 120\r\n")


async def test_much_output_waits_for_its_reader_and_is_whole(shell: GuestShell) -> None:
    async with shell.run(form("flood")) as process:
        await asyncio.sleep(0.2)
        assert await everything(process) == bytes(3_000_000)
        assert await process.wait() == DONE


@pytest.mark.parametrize("terminal", [None, SIZE], ids=["pipes", "terminal"])
async def test_a_signal_ends_a_command_and_is_told(
    shell: GuestShell, terminal: TerminalSize | None
) -> None:
    async with shell.run(replace(form("sleep"), terminal=terminal)) as process:
        await until(process, b"ready")
        await process.control("TERM")
        assert await process.wait() == ExitStatus(code=None, signal="TERM")


async def test_what_is_sent_to_a_command_that_has_ended_is_dropped(shell: GuestShell) -> None:
    async with shell.run(form("complain")) as process:
        await process.wait()
        await process.write(b"x" * 100_000)
        await process.write(b"")
        await process.control("TERM")
        await process.control(SIZE)
        assert (await process.wait()).code == 7


async def test_commands_run_beside_each_other(shell: GuestShell) -> None:
    async with shell.run(form("cat")) as one, shell.run(form("cat")) as other:
        await one.write(b"1")
        await other.write(b"2")
        assert await until(other, b"2") == b"2"
        assert await until(one, b"1") == b"1"


async def test_leaving_a_command_that_runs_does_not_wait_for_it(shell: GuestShell) -> None:
    async with asyncio.timeout(5):
        async with shell.run(form("sleep")) as process:
            assert await until(process, b"ready") == b"ready\n"


async def test_a_file_that_can_not_be_written_is_told(shell: GuestShell) -> None:
    await shell.write_file("/tmp/new/dir/file", b"content", 0o600)
    with pytest.raises(BboxError, match="/proc/nothing/file") as caught:
        await shell.write_file("/proc/nothing/file", b"content", 0o600)
    assert caught.value.code is ErrorCode.GUEST_COMMAND_FAILED


async def test_one_of_many_files_that_can_not_be_written_is_told(shell: GuestShell) -> None:
    await shell.write_files((), "/tmp/home")
    names = [PurePosixPath(f"deep/{number}") for number in range(50)]
    files = [GuestFile(path=name, content=b"content") for name in names]
    await shell.write_files(files, "/tmp/home")
    bad = GuestFile(path=PurePosixPath("nothing/file"), content=b"content")
    with pytest.raises(BboxError, match="proc/nothing") as caught:
        await shell.write_files([bad], "/proc")
    assert caught.value.code is ErrorCode.GUEST_COMMAND_FAILED
