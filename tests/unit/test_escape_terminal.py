# SPDX-License-Identifier: Apache-2.0
import gzip
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bbox_server.domain.escape import SOFT_RESET, TerminalFilter, without_queries
from bbox_server.domain.sequence import SEQUENCE_LIMIT, STRING_LIMIT

DATA = Path(__file__).parent / "data"


def _pass(*pieces: bytes) -> bytes:
    screen = TerminalFilter()
    return b"".join(screen.feed(piece) for piece in pieces)


@pytest.mark.parametrize(
    "output",
    [
        b"plain text\r\n\ttab\b\x07\x0b\x0c",
        "Größe 測試 ✓ 🦊 │┌─┐".encode(),
        b"\x1b[m\x1b[1;31m\x1b[38;5;1m\x1b[38;2;1;2;3;48:2::4:5:6;58;5;9m\x1b[4:3m",
        b"\x1b[H\x1b[12;40H\x1b[3A\x1b[B\x1b[99C\x1b[5D\x1b[7G\x1b[2d\x1b[4;5f\x1b[32766;32766H",
        b"\x1b[J\x1b[2J\x1b[3J\x1b[K\x1b[1K\x1b[?0J\x1b[5X\x1b[2P\x1b[3@\x1b[L\x1b[4M",
        b"\x1b[2;20r\x1b[r\x1b[3S\x1b[T\x1b[2T\x1bM\x1bD\x1bE",
        b"\x1b7\x1b8\x1b[s\x1b[u\x1b=\x1b>\x1bH\x1b[3g\x1b[I\x1b[Z\x1b[5b",
        b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?1h\x1b[?2004h\x1b[?2026h\x1b[?2026l\x1b[?12;25h",
        b"\x1b[?1000h\x1b[?1002;1003;1006h\x1b[?1004h\x1b[?1015l\x1b[4h\x1b[4l",
        b"\x1b(B\x1b(0\x1b)0\x0e\x0f\x1b[!p\x1b[2 q\x1b[ q",
        b"\x1b[>1u\x1b[<u\x1b[<1u\x1b[=5;1u\x1b[?u\x1b[>4;1m\x1b[>4m",
        b"\x1b[6n\x1b[5n\x1b[c\x1b[0c\x1b[>c\x1b[?6n\x1b[?996n\x1b[?2026$p",
        b"\x1b]10;?\x07\x1b]11;?\x1b\\",
    ],
)
def test_what_a_program_needs_passes_untouched(output: bytes) -> None:
    assert _pass(output) == output


@pytest.mark.parametrize(
    "sequence",
    [
        pytest.param(b"\x1b]52;c;Y2xpcA==\x07", id="clipboard"),
        pytest.param(b"\x1b]52;c;?\x1b\\", id="clipboard query"),
        pytest.param(b"\x1b]0;title\x07", id="title"),
        pytest.param(b"\x1b]2;title\x1b\\", id="title, ST"),
        pytest.param(b"\x1b]7;file://host/tmp\x07", id="directory"),
        pytest.param(b"\x1b]8;;file:///etc/passwd\x1b\\", id="link"),
        pytest.param(b"\x1b]9;4;1;50\x07", id="progress"),
        pytest.param(b"\x1b]10;#ff0000\x07", id="colour"),
        pytest.param(b"\x1b]11;?;?\x07", id="two queries"),
        pytest.param(b"\x1b]4;1;?\x07", id="palette query"),
        pytest.param(b"\x1b]104\x07", id="palette reset"),
        pytest.param(b"\x1b]133;A\x07", id="prompt mark"),
        pytest.param(b"\x1b]633;E;rm -rf;nonce\x07", id="editor's shell integration"),
        pytest.param(b"\x1b]777;notify;a;b\x07", id="notification"),
        pytest.param(b"\x1b]1337;File=inline=1:AAAA\x07", id="file"),
        pytest.param(b"\x1bP+q544e\x1b\\", id="termcap query"),
        pytest.param(b"\x1bP$qm\x1b\\", id="setting query"),
        pytest.param(b"\x1bPq#0;2;0;0;0\x07more\x1b\\", id="image with BEL"),
        pytest.param(b"\x1b_Ga=T;AAAA\x1b\\", id="application string"),
        pytest.param(b"\x1b^private\x1b\\", id="privacy message"),
        pytest.param(b"\x1bXstring\x1b\\", id="start of string"),
        pytest.param(b"\x1bk", id="start of a tmux title"),
        pytest.param(b"\x1b[21t", id="title report"),
        pytest.param(b"\x1b[20t", id="icon report"),
        pytest.param(b"\x1b[8;10;10t", id="resize"),
        pytest.param(b"\x1b[22;0t", id="title stack"),
        pytest.param(b"\x1b[i", id="print"),
        pytest.param(b"\x1b[?5i", id="print always"),
        pytest.param(b"\x1b[x", id="terminal parameters"),
        pytest.param(b"\x1b[=c", id="unit's number"),
        pytest.param(b"\x1b[?15n", id="printer"),
        pytest.param(b"\x1b[?3h", id="132 columns"),
        pytest.param(b"\x1b[?1001h", id="highlight tracking"),
        pytest.param(b"\x1b[1;1;1;1;1T", id="highlight start"),
        pytest.param(b"\x1b[?1049;3h", id="mode among others"),
        pytest.param(b"\x1b[?1034h", id="eight-bit meta"),
        pytest.param(b"\x1b[20h", id="new line mode"),
        pytest.param(b"\x1b[2q", id="lamps"),
        pytest.param(b'\x1b["p', id="conformance"),
        pytest.param(b"\x1b[1$r", id="rectangle"),
        pytest.param(b"\x1b[1;2*y", id="checksum of a rectangle"),
        pytest.param(b"\x1b[123456A", id="large number"),
        pytest.param(b"\x1b[>4;3m", id="modified keys"),
        pytest.param(b"\x1b[" + b"1;" * 200 + b"m", id="many numbers"),
        pytest.param(b"\x1b[" + b"1" * 5000 + b"m", id="long number"),
        pytest.param(b"\x1b%@", id="other encoding"),
        pytest.param(b"\x1b G", id="eight-bit controls"),
        pytest.param(b"\x1b#8", id="alignment"),
        pytest.param(b"\x1b(A", id="other letters"),
        pytest.param(b"\x1bZ", id="identify"),
        pytest.param(b"\x1bn", id="locking shift"),
        pytest.param(b"\x1b\\", id="end of no string"),
        pytest.param(b"\x05", id="answerback"),
        pytest.param(b"\x00\x01\x11\x13\x18\x1a\x7f", id="controls"),
        pytest.param("\x9d52;c;AAAA\x9c".encode(), id="clipboard in eight bits"),
        pytest.param("\x9b21t".encode(), id="title report in eight bits"),
        pytest.param("\x90q\x9c".encode(), id="image in eight bits"),
        pytest.param(b"\x1b\x1b]52;c;AAAA\x07", id="escaped escape"),
        pytest.param(b"\x1b[\x1b]52;c;AAAA\x07", id="string within a sequence"),
        pytest.param(b"\x1b]0;a\x1b]52;c;AAAA\x07", id="string within a string"),
        pytest.param(b"\x1b]0;a\x1b[21t", id="sequence within a string"),
    ],
)
def test_what_acts_outside_of_the_screen_is_dropped(sequence: bytes) -> None:
    assert _pass(b"<" + sequence + b">") == b"<>"


def test_what_is_left_of_a_broken_sequence_is_text() -> None:
    assert _pass(b"\x1b[3\n1m") == b"\n1m"


def test_a_string_that_is_cancelled_is_over() -> None:
    assert _pass(b"\x1b]0;a\x18b") == b"b"
    assert _pass(b"\x1bPa\x1b[31mb") == b"\x1b[31mb"


def test_an_eight_bit_command_passes_in_its_seven_bit_form() -> None:
    assert _pass("\x9b31m".encode()) == b"\x1b[31m"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert _pass(b"\x9b31m\xff\x9d0;a\x07") == "\ufffd31m\ufffd\ufffd0;a\x07".encode()


def test_a_string_without_an_end_does_not_swallow_all_that_follows() -> None:
    assert _pass(b"\x1b]0;" + b"a" * STRING_LIMIT + b"text").endswith(b"text")


def test_complete_text_is_never_held_back() -> None:
    screen = TerminalFilter()
    assert screen.feed(b"prompt$ \x1b[3") == b"prompt$ "
    assert screen.feed(b"1mred\xe2\x9c") == b"\x1b[31mred"
    assert screen.feed(b"\x93") == "✓".encode()


def test_an_incomplete_sequence_is_held_only_while_it_can_be_allowed() -> None:
    screen = TerminalFilter()
    assert screen.feed(b"\x1b[" + b"1" * 2 * SEQUENCE_LIMIT) == b""
    assert len(screen._held) == 0
    assert screen.feed(b"1mtext") == b"text"


def test_a_full_reset_becomes_one_that_keeps_the_scrollback() -> None:
    assert _pass(b"\x1b[?1003h\x1bc").endswith(b"\x1b[?1003l" + SOFT_RESET.encode())


def test_what_the_guest_left_on_is_undone() -> None:
    screen = TerminalFilter()
    screen.feed(b"\x1b[?1049h\x1b[?25l\x1b[?1002;1006h\x1b[?2004h\x1b[?2004l\x1b[>1u\x1b[2;9r")
    undone = screen.restore()
    for expected in (b"?1049l", b"?25h", b"?1002l", b"?1006l", b"\x1b[<99u", b"\x1b[r", b"\x1b[0m"):
        assert expected in undone
    assert b"2004" not in undone
    assert _pass(undone) == undone


def test_where_nothing_was_left_on_only_attributes_are_reset() -> None:
    screen = TerminalFilter()
    screen.feed(b"\x1b[31mred")
    assert b"?" not in screen.restore()


def test_a_record_that_is_shown_again_asks_the_terminal_nothing() -> None:
    output = b"a\x1b[6nb\x1b]11;?\x07c\x1b[31m\x1b[?u\x1b[c"
    silenced = without_queries(_pass(output))
    assert silenced.replace(b"\0", b"") == b"abc\x1b[31m"
    assert len(silenced) == len(output)


PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            *(
                b"\x1b",
                b"\x1b[",
                b"\x1b]",
                b"\x1bP",
                b"\x1b_",
                b"\x1b\\",
                b"\x07",
                b"\x18",
                b"\xc2",
            ),
            *(
                b"\xc2\x9b",
                b"\xc2\x9d",
                b"\xc2\x9c",
                b"\x9b",
                b"52;c;",
                b"10;?",
                b"11;",
                b"?",
                b"1",
            ),
            *(b"0;", b"[", b"]", b"31m", b"21t", b"?1049h", b"6n", b"c", b"\x1bc", b"\x1b(", b"B"),
            *(b"\xe2\x9c\x93", b"\n", b"A", b" ", b"$p", b">4;1m", b"1;" * 140, b"\x1b#8"),
        ]
    ),
)
OUTPUT = st.lists(PIECES, max_size=30).map(b"".join)

# Written independently of the filter: every escape starts one of these, and nothing else is there.
SAFE = re.compile(
    rb"(?:[\x07-\x0f\x20-\x7e]|[\xc2-\xf4][\x80-\xbf]+"
    rb"|\x1b\[[0-9;:]*[@-HIJKLMPSTXZ`a-grsum]|\x1b\[[0-9;]*[bd]|\x1b\[[56]n|\x1b\[>?0?c|\x1b\[4[hl]"
    rb"|\x1b\[\?[0-9;]+[hl]|\x1b\[\?[0-9]?[JK]|\x1b\[\?(?:6|996)n|\x1b\[\?[0-9]+\$p|\x1b\[!p"
    rb"|\x1b\[[0-6]? q|\x1b\[[<>=?][0-9;]*u|\x1b\[>4[0-9;]*m|\x1b[78=>DEHM]|\x1b[()][0B]"
    rb"|\x1b\]1[01];\?(?:\x07|\x1b\\))*"
)


@settings(max_examples=500, deadline=None)
@given(OUTPUT)
@example(b"\x1b]11;\x1b]52;c;AAAA\x07")
@example(b"\x1b\xc2\x9b21t")
def test_nothing_passes_but_text_and_allowed_sequences(output: bytes) -> None:
    passed = _pass(output)
    assert SAFE.fullmatch(passed), passed
    assert not re.search("[\x80-\x9f]", passed.decode("utf-8"))


@settings(max_examples=500, deadline=None)
@given(OUTPUT, st.lists(st.integers(min_value=0, max_value=200), max_size=12))
def test_the_way_the_output_is_cut_changes_nothing(output: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(output)) for cut in cuts), len(output)]
    pieces = [output[start:end] for start, end in pairwise(edges)]
    assert _pass(*pieces) == _pass(output)
    assert _pass(*(bytes([byte]) for byte in output)) == _pass(output)


@given(st.integers(min_value=-3, max_value=3), st.sampled_from([b"\x07", b"\x1b\\", b"\x1b[m"]))
@settings(max_examples=30, deadline=None)
def test_the_limit_of_a_string_does_not_depend_on_the_cut(offset: int, end: bytes) -> None:
    output = b"\x1b]" + b"a" * (STRING_LIMIT + offset) + end + b"text"
    cut = STRING_LIMIT + 2
    assert _pass(output[:cut], output[cut:]) == _pass(output)
    assert _pass(output[: cut - 1], output[cut - 1 :]) == _pass(output)


@given(OUTPUT)
def test_what_has_passed_passes_again(output: bytes) -> None:
    passed = _pass(output)
    assert _pass(passed) == passed


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=50))
def test_text_passes_untouched(text: str) -> None:
    assert _pass(text.encode()) == text.encode()


@pytest.mark.parametrize(
    "unit",
    [b"\x1b", b"\x1b[", b"\x1b[1;", b"\x1b]", b"\x00", b"\x1b[21t", b"\xc2\x9b", b"\x1bP\x1b"],
)
def test_no_output_takes_more_than_linear_time(unit: bytes) -> None:
    def seconds(size: int) -> float:
        output = unit * (size // len(unit))
        started = time.process_time()
        _pass(*(output[start : start + 4096] for start in range(0, len(output), 4096)))
        return time.process_time() - started

    seconds(100_000)
    assert seconds(800_000) < 16 * seconds(200_000) + 0.1


def test_a_recording_of_codex_passes_but_for_its_titles() -> None:
    # A session of the scripted demo in a terminal of 120 by 40; paths were replaced.
    recording = gzip.decompress((DATA / "codex-0.169.0-tui.gz").read_bytes())
    wanted = re.sub(rb"\x1b\](?:0|7501);[^\x07\x1b]*(?:\x07|\x1b\\)", b"", recording)
    assert len(wanted) > 50_000
    assert _pass(*(recording[at : at + 777] for at in range(0, len(recording), 777))) == wanted
