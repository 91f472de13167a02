# SPDX-License-Identifier: Apache-2.0
import io
import tarfile

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.entry import Entry, EntryKind
from bbox_server.infra.images.manifest import Compression
from bbox_server.infra.images.reader import LayerStream, decompressed
from bbox_server.infra.images.tar_reader import read_entries
from tests.infra.images import oci

PLENTY = 2**40
NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)


def read(content: bytes) -> list[tuple[Entry, bytes]]:
    stream = LayerStream(io.BytesIO(content), limit_bytes=PLENTY)
    return [(entry, b"".join(iter(stream.content, b""))) for entry in read_entries(stream)]


OUTCOMES = {None, ErrorCode.IMAGE_CORRUPT, ErrorCode.IMAGE_UNSUPPORTED}


def outcome(content: bytes) -> ErrorCode | None:
    try:
        read(content)
    except BboxError as error:
        return error.code
    return None


def refusal(content: bytes) -> BboxError:
    with pytest.raises(BboxError) as caught:
        read(content)
    return caught.value


FIELDS = st.fixed_dictionaries(
    {
        "mode": st.integers(0, 0o7777),
        "uid": st.integers(0, 2**31 - 1),
        "gid": st.integers(0, 2**31 - 1),
        "mtime": st.integers(0, 2**32 - 1),
    }
)


@given(
    path=PATHS,
    content=st.binary(max_size=2000),
    fields=FIELDS,
    form=st.sampled_from((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)),
)
def test_what_tarfile_writes_is_read_back(
    path: str, content: bytes, fields: dict[str, int], form: int
) -> None:
    info, _ = oci.member(path, content)
    for name, value in fields.items():
        setattr(info, name, value)

    ((entry, read_content),) = read(oci.tar((info, content), form=form))

    assert b"/".join(entry.path) == path.encode()
    read_fields = {"mode": entry.mode, "uid": entry.uid, "gid": entry.gid}
    assert {**read_fields, "mtime": entry.mtime_s} == fields
    assert (entry.kind, entry.size_bytes, read_content) == (EntryKind.FILE, len(content), content)


@given(st.binary(max_size=3000))
@example(b"\xff" * 512)
def test_any_bytes_are_entries_or_refused(content: bytes) -> None:
    assert outcome(content) in OUTCOMES


@given(data=st.data(), position=st.integers(0, 4 * 512 - 1), byte=st.integers(0, 255))
def test_a_changed_byte_never_escapes_as_another_error(
    data: st.DataObject, position: int, byte: int
) -> None:
    name = data.draw(PATHS)
    content = bytearray(oci.tar(oci.member(name, b"x" * 700), oci.symlink("l", "t")))
    content[position] = byte
    header = position // 512 * 512
    if data.draw(st.booleans()):  # with its checksum made right again
        block = bytes(content[header : header + 512])
        counted = block[:148] + b" " * 8 + block[156:]
        content[header + 148 : header + 156] = b"%06o\0 " % sum(counted)

    assert outcome(bytes(content)) in OUTCOMES


@pytest.mark.parametrize("name", ["../x", "a/../x", "/../x", "a/..", ".."])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    assert "leads out" in refusal(oci.tar(oci.member(name))).cause


def test_an_absolute_name_is_below_the_root() -> None:
    ((entry, _),) = read(oci.tar(oci.member("//etc/./passwd")))

    assert entry.path == (b"etc", b"passwd")


def test_a_hard_link_that_leads_out_is_refused() -> None:
    assert "leads out" in refusal(oci.tar(oci.hardlink("a", "../../etc/shadow"))).cause


@pytest.mark.parametrize("name", ["n" * 256, "d/" * 257 + "f", "/".join(["n" * 200] * 30)])
def test_a_name_that_no_tree_has_is_refused(name: str) -> None:
    assert refusal(oci.tar(oci.member(name))).code is ErrorCode.IMAGE_CORRUPT


def test_a_nul_in_an_extended_name_is_refused() -> None:
    archive = oci.tar(oci.member("a", pax={"path": "etc/passwd\0.txt"}))

    assert "NUL" in refusal(archive).cause


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    ((entry, _),) = read(oci.tar(oci.member("caf\udce9\n"), form=tarfile.GNU_FORMAT))

    assert entry.path == (b"caf\xe9\n",)


def test_an_extended_header_is_not_taken_at_its_word() -> None:
    archive = bytearray(oci.tar(oci.member("a", pax={"comment": "x" * 200})))
    archive[124:136] = b"77777777777\0"
    archive[148:156] = b"%06o\0 " % (sum(archive[:148]) + 8 * 32 + sum(archive[156:512]))

    assert "extended header of" in refusal(bytes(archive)).cause


def test_an_archive_that_is_cut_is_refused() -> None:
    archive = oci.tar(oci.member("a", b"x" * 5000))

    assert "middle of an entry" in refusal(archive[:3000]).cause


def test_a_damaged_header_is_refused_and_not_taken_for_the_end() -> None:
    archive = bytearray(oci.tar(oci.member("a"), oci.member("b")))
    archive[512] ^= 1

    assert "damaged header" in refusal(bytes(archive)).cause


def test_sparse_files_are_refused_by_name() -> None:
    archive = oci.tar(oci.member("a", pax={"GNU.sparse.major": "1"}))

    assert refusal(archive).code is ErrorCode.IMAGE_UNSUPPORTED


def test_attributes_that_the_guest_would_obey_are_left_out() -> None:
    names = ("user.a", "user.overlay.redirect", "trusted.overlay.opaque", "security.capability")
    archive = oci.tar(oci.member("a", pax={f"SCHILY.xattr.{name}": "v" for name in names}))

    ((entry, _),) = read(archive)

    assert set(entry.xattrs) == {b"user.a", b"security.capability"}


@pytest.mark.parametrize("compression", Compression)
def test_a_bomb_ends_at_the_limit(compression: Compression) -> None:
    bomb = oci.compress(oci.tar(oci.member("a", bytes(10**7))), compression)
    stream = LayerStream(decompressed(io.BytesIO(bomb), compression), limit_bytes=10**6)

    with pytest.raises(BboxError, match="more bytes"):
        list(read_entries(stream))


def test_a_frame_that_wants_more_memory_than_it_may_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    bomb = writer.compress(bytes(10**6)) + writer.flush()

    with pytest.raises(BboxError, match="decompressed"):
        decompressed(io.BytesIO(bomb), Compression.ZSTD).read(1)


@given(content=st.binary(max_size=400), compression=st.sampled_from(Compression))
def test_any_bytes_are_decompressed_or_refused(content: bytes, compression: Compression) -> None:
    stream = LayerStream(decompressed(io.BytesIO(content), compression), limit_bytes=PLENTY)
    try:
        stream.drain()
    except BboxError as error:
        code: ErrorCode | None = error.code
    else:
        code = None

    assert code in {None, ErrorCode.IMAGE_CORRUPT}
