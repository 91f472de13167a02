# SPDX-License-Identifier: Apache-2.0
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.infra.egress.frame import FrameReader, FrameWriter, LinkViolationError

FRAMES = st.lists(st.binary(max_size=300), max_size=20)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        theirs.settimeout(0)
        yield ours, theirs


def encoded(frames: list[bytes]) -> bytes:
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


@given(FRAMES, st.integers(1, 400))
def test_frames_come_out_whole_however_the_stream_is_cut(frames: list[bytes], cut: int) -> None:
    stream, got = encoded(frames), []
    reader = FrameReader()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for start in range(0, len(stream), cut):
            theirs.send(stream[start : start + cut])
            reader.receive(ours)
            got += [bytes(frame) for frame in reader.frames()]
    assert got == frames


@given(st.binary(max_size=2000))
def test_any_stream_is_frames_or_a_violation(stream: bytes) -> None:
    reader = FrameReader()
    ours, theirs = socket.socketpair()
    total = 0
    with ours, theirs:
        theirs.send(stream + b"\0\0\0\0")
        reader.receive(ours)
        try:
            total = sum(len(frame) + 4 for frame in reader.frames())
        except LinkViolationError as violation:
            total = 0 * violation.args[0]
    assert total <= len(stream) + 4


def test_a_length_that_no_frame_has_is_a_violation(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    reader = FrameReader()
    pair[1].send(b"\x00\x01\x00\x41" + b"x" * 8)
    reader.receive(pair[0])
    with pytest.raises(LinkViolationError):
        list(reader.frames())


def test_the_end_of_the_stream_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[1].close()
    assert FrameReader().receive(pair[0]) is False


def test_what_is_written_can_be_read(pair: tuple[socket.socket, socket.socket]) -> None:
    writer, reader = FrameWriter(), FrameReader()
    writer.add(b"head", b"payload")
    writer.add(b"alone")
    writer.flush(pair[0])
    reader.receive(pair[1])
    assert [bytes(frame) for frame in reader.frames()] == [b"headpayload", b"alone"]
    assert writer.is_empty


def test_a_full_writer_refuses_and_keeps_room_for_control() -> None:
    writer = FrameWriter()
    while writer.data_room() > 0:
        assert writer.add(b"h" * 54, b"x" * min(60_000, writer.data_room()))
    assert writer.add(b"reset")
    assert not writer.add(b"x" * 65_600)


def test_a_slow_reader_gets_everything_in_order(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    writer, reader, got = FrameWriter(), FrameReader(), []
    sent = [bytes([number]) * 60_000 for number in range(12)]
    for frame in sent:
        assert writer.add(frame)
    while not writer.is_empty:
        writer.flush(pair[0])
        reader.receive(pair[1])
        got += [bytes(frame) for frame in reader.frames()]
    assert got == sent
