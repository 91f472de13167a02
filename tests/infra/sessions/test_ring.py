# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.sessions import ring as ring_module
from bbox_server.infra.sessions.ring import RingReader, TerminalRing

SLOT = ring_module._SLOT.size


def _all(path: Path, offset: int = 0, limit: int = 1 << 20) -> tuple[int, bytes]:
    replay = RingReader(path).read(offset, limit)
    return replay.offset, replay.data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "terminal.ring"


def test_what_was_shown_can_be_read_from_any_offset(path: Path) -> None:
    with TerminalRing(path) as ring:
        ring.append(b"hello ")
        ring.append(b"world")
        assert ring.end == 11
    assert _all(path) == (0, b"hello world")
    assert _all(path, 6) == (6, b"world")
    assert _all(path, 11) == (11, b"")
    assert _all(path, 2, 3) == (2, b"llo")


def test_a_reader_that_is_ahead_gets_nothing_and_the_end(path: Path) -> None:
    with TerminalRing(path) as ring:
        ring.append(b"abc")
    assert RingReader(path).read(99, 10).end == 3
    assert _all(path, 99) == (3, b"")


def test_what_is_gone_shows_in_the_offset(path: Path) -> None:
    with TerminalRing(path, capacity=10) as ring:
        ring.append(b"0123456789")
        ring.append(b"abcd")
    assert _all(path, 2) == (4, b"456789abcd")
    assert _all(path, 8) == (8, b"89abcd")


def test_more_than_the_ring_holds_at_once_leaves_its_last_part(path: Path) -> None:
    with TerminalRing(path, capacity=8) as ring:
        ring.append(b"xyz")
        ring.append(b"0123456789" * 3)
        assert ring.end == 33
    assert _all(path) == (25, b"23456789")


def test_a_replay_whose_start_is_gone_begins_with_a_whole_sequence(path: Path) -> None:
    with TerminalRing(path, capacity=20) as ring:
        ring.append(b"\x1b[38;5;1mred\r\n\x1b[mplain\r\n")
    offset, data = _all(path)
    assert data == b"\x1b[mplain\r\n"
    assert offset == 14


def test_a_new_writer_goes_on_where_the_last_one_stopped(path: Path) -> None:
    with TerminalRing(path, capacity=100) as ring:
        ring.append(b"first ")
    with TerminalRing(path, capacity=999) as ring:
        ring.append(b"second")
    assert _all(path) == (0, b"first second")


def test_queries_are_not_asked_again_and_offsets_stay(path: Path) -> None:
    with TerminalRing(path) as ring:
        ring.append(b"a\x1b[6nb")
    assert _all(path) == (0, b"a\0\0\0\0b")


def test_the_file_is_the_owners_alone_and_does_not_grow(path: Path) -> None:
    with TerminalRing(path, capacity=4096) as ring:
        size = path.stat().st_size
        for _ in range(10):
            ring.append(b"x" * 1000)
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("slot", [0, 1])
def test_a_torn_slot_leaves_the_one_before(path: Path, slot: int) -> None:
    with TerminalRing(path, capacity=100) as ring:
        ring.append(b"one")
        ring.append(b"two")
    content = bytearray(path.read_bytes())
    content[slot * SLOT + 20] ^= 0xFF
    path.write_bytes(content)
    assert _all(path) in [(0, b"onetwo"), (0, b"one")]


@pytest.mark.parametrize("content", [b"", b"bboxring", os.urandom(4096), b"\0" * 200])
def test_a_file_that_is_no_ring_is_an_error_for_readers_and_made_anew_by_a_writer(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(BboxError) as failure:
        _all(path)
    assert failure.value.code is ErrorCode.SESSION_CORRUPT
    with TerminalRing(path, capacity=100) as ring:
        ring.append(b"new")
    assert _all(path) == (0, b"new")


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        TerminalRing(path)
    assert not target.exists()


def test_a_disk_without_space_is_said_so_at_once(path: Path) -> None:
    with pytest.raises(BboxError) as failure:
        TerminalRing(path, capacity=1 << 60)
    assert failure.value.code is ErrorCode.DISK_FULL


@settings(max_examples=200, deadline=None)
@given(
    capacity=st.integers(min_value=1, max_value=40),
    pieces=st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\x1b", b".")), max_size=12),
    offset=st.integers(min_value=0, max_value=400),
)
def test_a_ring_is_the_end_of_all_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, capacity: int, pieces: list[bytes], offset: int
) -> None:
    path = tmp_path_factory.mktemp("ring") / "r"
    with TerminalRing(path, capacity=capacity) as ring:
        for piece in pieces:
            ring.append(piece)
    written = b"".join(pieces)
    replay = RingReader(path).read(offset, 1 << 20)
    assert replay.end == len(written)
    assert replay.data == written[replay.offset :]
    assert replay.offset >= min(offset, len(written))
    if b"\n" not in written:
        assert replay.offset == min(max(offset, len(written) - capacity), len(written))


# Each line says its own number, so that a reader can tell whether it read one whole.
WRITER = """
import sys
from pathlib import Path
from bbox_server.infra.sessions.ring import TerminalRing
with TerminalRing(Path(sys.argv[1]), capacity=5000) as ring:
    number = ring.end // 10
    while True:
        ring.append(b"".join(b"%09d\\n" % n for n in range(number, number + 37)))
        number += 37
"""


def test_readers_see_whole_bytes_while_a_writer_laps_them_and_is_killed(path: Path) -> None:
    TerminalRing(path, capacity=5000).close()
    argv = (sys.executable, "-c", WRITER, str(path))
    offset = seen = 0
    for round_end, wanted in ((500_000, 400), (1_000_000, 800), (1_500_000, 1200)):
        with subprocess.Popen(argv) as writer:  # this interpreter, our own code
            while offset < round_end or seen < wanted:
                offset, lines = _check_lines(path, offset)
                seen += lines
            writer.send_signal(signal.SIGKILL)
        offset, lines = _check_lines(path, offset)
        seen += lines
    assert seen >= 1200


def _check_lines(path: Path, offset: int) -> tuple[int, int]:
    replay = RingReader(path).read(offset, 3000)
    starts = range(-replay.offset % 10, len(replay.data) - 9, 10)
    for at in starts:
        assert replay.data[at : at + 10] == b"%09d\n" % ((replay.offset + at) // 10)
    return replay.offset + len(replay.data), len(starts)
