# SPDX-License-Identifier: Apache-2.0
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bbox_server.infra.qemu.console import FILE_BYTES, RING_BYTES, Console, Transcript
from bbox_server.infra.qemu.rotated_file import RotatedFile


@pytest.fixture
def transcript(tmp_path: Path) -> Iterator[Transcript]:
    transcript = Transcript(RotatedFile(tmp_path / "console.log", FILE_BYTES))
    yield transcript
    transcript.close()


def test_marks_are_found_behind_the_firmware_escapes(transcript: Transcript) -> None:
    transcript.add(b"\x1bc\x1b[?7lBooting from ROM..BBOX init 1.70\r")
    transcript.add(b"BBOX ready 2.40")
    assert transcript.marks == {"init", "ready"}


def test_invented_marks_do_not_fill_the_memory(transcript: Transcript) -> None:
    letters = "abcdefghij"
    for number in range(1000):
        name = "".join(letters[int(digit)] for digit in str(number))
        transcript.add(f"BBOX {name} 1.0".encode())
    assert len(transcript.marks) <= 50


def test_the_first_failure_is_kept(transcript: Transcript) -> None:
    transcript.add(b"BBOX-FAIL mount /dev/vda on /m/image (squashfs)")
    transcript.add(b"BBOX-FAIL other")
    assert transcript.failure == "mount /dev/vda on /m/image (squashfs)"


def test_a_panic_is_noticed(transcript: Transcript) -> None:
    transcript.add(b"[    1.2] Kernel panic - not syncing: No working init found.")
    assert transcript.has_panicked


def test_the_tail_after_a_panic_begins_with_it(transcript: Transcript) -> None:
    for line in (
        b"before",
        b"Kernel panic - not syncing: x",
        *(b"trace %d" % n for n in range(99)),
    ):
        transcript.add(line)
    assert transcript.tail(2) == ("Kernel panic - not syncing: x", "trace 0")


def test_memory_kills_are_counted_by_name(transcript: Transcript) -> None:
    transcript.add(b"BBOX-OOM 123 co\x1b[2Jdex")
    assert list(transcript.kills) == ["co\\x1b[2Jdex"]


def test_the_log_is_rotated_and_bounded(transcript: Transcript, tmp_path: Path) -> None:
    for number in range(30_000):
        transcript.add(b"%06d " % number + b"x" * 100)
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= FILE_BYTES
    assert (tmp_path / "console.log").read_text().splitlines()[-1].startswith("029999 ")


def test_a_log_that_can_not_be_written_does_not_stop_the_console() -> None:
    transcript = Transcript(RotatedFile(Path("/dev/full"), FILE_BYTES))
    transcript.add(b"one")
    transcript.add(b"two")
    assert transcript.tail() == ("one", "two")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.binary(max_size=3000), max_size=60))
def test_whatever_the_guest_writes_is_harmless_and_bounded(
    tmp_path: Path, lines: list[bytes]
) -> None:
    transcript = Transcript(RotatedFile(tmp_path / "console.log", FILE_BYTES))
    for line in lines:
        transcript.add(line)
    transcript.close()
    kept = transcript.tail(10**6)
    assert sum(len(line) + 1 for line in kept) <= RING_BYTES
    assert all(line.isprintable() for line in kept)
    assert all(mark.isalpha() for mark in transcript.marks)
    assert len(transcript.kills) <= 100


async def test_the_console_tells_that_something_was_said(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    console = Console(reading, tmp_path / "console.log")
    os.write(writing, b"BBOX init 1.0\npartial")
    os.close(writing)
    await console.changed.wait()
    console.close()
    assert console.said.tail() == ("BBOX init 1.0", "partial")
    assert "init" in console.said.marks
