# SPDX-License-Identifier: Apache-2.0
"""What a user sees of the agent: its bytes, its size, its end."""

import hashlib
import re
from pathlib import Path
from typing import Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Bbox, make_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

FLOOD_BYTES: Final = 20 << 20
# Lines of 128 bytes with a title, a colour and a NUL in each: a pipe gets them as they are.
FLOOD: Final = """
import sys
line = b"\\x1b]0;title\\x07\\x1b[31m%010d\\x00" + b"x" * 100 + b"\\n"
for start in range(0, {count}, 1024):
    sys.stdout.buffer.write(b"".join(line % number for number in range(start, start + 1024)))
sys.stderr.write("to \\x1b]0;title\\x07 errors")
sys.exit(7)
"""
LINE: Final = b"\x1b]0;title\x07\x1b[31m%010d\x00" + b"x" * 100 + b"\n"
# asyncio, asyncssh and the rest take about 70 MiB; the flood passes through, it is not kept.
MEMORY_LIMIT_KIB: Final = 160 << 10

SCREEN: Final = r"""
stty size; echo ready; until [ "$(stty size)" = "43 132" ]; do sleep 0.1; done; echo resized
printf 'A\033[32mB\033[0m\033]52;c;c2VjcmV0\007C\033]0;title\007\033P1;q\033\\D\033[21tE\n'
trap 'echo got-int; exit 5' INT
echo waiting; while :; do sleep 0.1; done
"""


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


def test_a_flood_arrives_whole_and_raw_through_a_pipe(bbox: Bbox, tmp_path: Path) -> None:
    count = FLOOD_BYTES // len(LINE % 0) // 1024 * 1024
    program = FLOOD.format(count=count)
    words = ("run", "--image", CODEX_IMAGE, "--", "python3", "-c", program)
    with bbox.start_apart(*words, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        digest, received, most_kib = hashlib.sha256(), 0, 0
        while chunk := process.stdout.read(1 << 16):
            digest.update(chunk)
            received += len(chunk)
            most_kib = max(most_kib, _peak_kib(process.pid))
        errors = process.stderr.read()
        assert process.wait() == 7
    expected = hashlib.sha256()
    for number in range(count):
        expected.update(LINE % number)
    assert received == count * len(LINE % 0)
    assert digest.digest() == expected.digest()
    assert b"to \x1b]0;title\x07 errors" in errors
    assert 0 < most_kib < MEMORY_LIMIT_KIB


def test_a_terminal_has_its_size_its_keys_and_no_tricks(bbox: Bbox, tmp_path: Path) -> None:
    words = ("run", "--image", CODEX_IMAGE, "--", "bash", "-c", SCREEN)
    with bbox.terminal(*words, cwd=tmp_path) as terminal:
        before = terminal.settings()
        terminal.expect(r"30 100\s+ready", timeout_s=90)
        terminal.resize(rows=43, columns=132)
        terminal.expect("resized")
        terminal.expect("waiting")
        assert terminal.settings() != before
        terminal.send("\x03")
        terminal.expect("got-int")
        assert terminal.wait() == 5
        assert terminal.settings() == before
    shown = re.search(rb"A.*E\r?\n", terminal.raw)
    assert shown is not None
    assert b"A\x1b[32mB\x1b[0mC" in shown[0]
    for trick in (b"\x1b]52", b"c2VjcmV0", b"\x1b]0;", b"\x1bP", b"\x1b[21t"):
        assert trick not in shown[0]


def test_a_crash_of_the_agent_is_told_as_a_shell_does(bbox: Bbox, tmp_path: Path) -> None:
    ran = bbox.run("run", "--image", CODEX_IMAGE, "--", "sh", "-c", "kill -SEGV $$", cwd=tmp_path)
    assert ran.code == 139
    assert "segmentation fault" in ran.error


def test_an_agent_that_takes_all_memory_is_killed_and_it_is_told(
    bbox: Bbox, tmp_path: Path
) -> None:
    program = "held = []\nwhile True: held.append(b'x' * (8 << 20))"
    ran = bbox.run(
        "run", "--image", CODEX_IMAGE, "--memory", "512m", "--", "python3", "-c", program,
        cwd=tmp_path,
    )  # fmt: skip
    assert ran.code == 137
    assert "the guest ran out of memory" in ran.error
    assert "--memory" in ran.error


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(peak[1]) if peak else 0
