# SPDX-License-Identifier: Apache-2.0
"""The merger against a model: paths in a dictionary, by the words of the specification."""

import io
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.entry import Limits
from bbox_server.infra.images.manifest import Compression
from bbox_server.infra.images.merge import Merger
from tests.infra.images import oci

Shown = dict[str, tuple[str, ...]]
"""Path to what is there: ("dir", mode), ("file", mode, content), ("link", target)."""


def merge(directory: Path, *layers: bytes, compression: Compression = Compression.NONE) -> Shown:
    written = [oci.write_layer(directory, layer, compression) for layer in layers]
    output = io.BytesIO()
    Merger(layers=tuple(written)).merge(output.write)
    return show(output.getvalue())


def show(archive: bytes) -> Shown:
    found: Shown = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for info in members:
            name = info.name.rstrip("/")
            assert name not in found
            if info.isdir():
                found[name] = ("dir", oct(info.mode))
            elif info.issym():
                found[name] = ("link", info.linkname)
            elif info.islnk():
                found[name] = found[info.linkname]
            else:
                content = members.extractfile(info)
                assert content is not None
                found[name] = ("file", oct(info.mode), content.read().decode())
    del found["."]
    return found


REFUSED: Shown = {"refused": (ErrorCode.IMAGE_CORRUPT,)}

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Op:
    """One entry; `other` is a link's target or a file's content."""

    kind: str
    path: Path_
    other: Path_ = ()


OPS = st.one_of(
    st.builds(Op, st.just("dir"), PATHS),
    st.builds(Op, st.just("file"), PATHS, PATHS),
    st.builds(Op, st.just("hardlink"), PATHS, PATHS),
)
HIDING = st.one_of(
    st.builds(Op, st.just("whiteout"), PATHS),
    st.builds(Op, st.just("opaque"), st.one_of(st.just(()), PATHS)),
)
LAYERS = st.lists(
    # One that hides, or none: what two of them make of each other's parents is not specified.
    st.tuples(st.lists(HIDING, max_size=1), st.lists(OPS, max_size=5)),
    min_size=1,
    max_size=4,
)


class ImpossibleError(Exception):
    """The layers can't be applied."""


@dataclass
class Model:
    """What a directory would hold after the layers were unpacked into it."""

    paths: dict[Path_, tuple[str, ...]] = field(default_factory=dict)

    def apply(self, hiding: list[Op], ops: list[Op]) -> None:
        for op in hiding:
            self._make_parents(op.path[:-1] if op.kind == "whiteout" else op.path)
            self._remove(op.path, itself=op.kind == "whiteout")
        for op in ops:
            self._make_parents(op.path[:-1])
            self._put(op)

    def _put(self, op: Op) -> None:
        if op.kind == "hardlink":
            self._make_parents(op.other[:-1])
            target = self.paths.get(op.other)
            if target is None or target[0] == "dir":
                raise ImpossibleError
            self._remove(op.path, itself=True)
            self.paths[op.path] = target
        elif op.kind == "file":
            self._remove(op.path, itself=True)
            self.paths[op.path] = ("file", "0o644", "/".join(op.other))
        else:
            if self.paths.get(op.path, ("dir",))[0] != "dir":
                self._remove(op.path, itself=True)
            self.paths[op.path] = ("dir", "0o700")

    def _make_parents(self, path: Path_) -> None:
        for length in range(1, len(path) + 1):
            there = self.paths.setdefault(path[:length], ("dir", "0o755"))
            if there[0] != "dir":
                raise ImpossibleError

    def _remove(self, path: Path_, *, itself: bool) -> None:
        for other in list(self.paths):
            if other[: len(path)] == path and (itself or other != path):
                del self.paths[other]

    def shown(self) -> Shown:
        return {"/".join(path): value for path, value in self.paths.items()}


def _tar(hiding: list[Op], ops: list[Op]) -> bytes:
    members = []
    for op in (*hiding, *ops):
        path = "/".join(op.path)
        match op.kind:
            case "whiteout":
                members.append(oci.member("/".join((*op.path[:-1], f".wh.{op.path[-1]}"))))
            case "opaque":
                members.append(oci.member("/".join((*op.path, ".wh..wh..opq"))))
            case "dir":
                members.append(oci.directory(path, 0o700))
            case "hardlink":
                members.append(oci.hardlink(path, "/".join(op.other)))
            case _:
                members.append(oci.member(path, "/".join(op.other).encode()))
    return oci.tar(*members)


def _merged(*layers: bytes, compression: Compression = Compression.NONE) -> Shown:
    """What the merger makes of it, its refusal too."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            return merge(Path(directory), *layers, compression=compression)
        except BboxError as error:
            return {"refused": (error.code,)}


def _modelled(layers: list[tuple[list[Op], list[Op]]]) -> Shown:
    model = Model()
    try:
        for hiding, ops in layers:
            model.apply(hiding, ops)
    except ImpossibleError:
        return REFUSED
    return model.shown()


@given(layers=LAYERS, compression=st.sampled_from(Compression))
def test_layers_amount_to_what_the_specification_says(
    layers: list[tuple[list[Op], list[Op]]], compression: Compression
) -> None:
    merged = _merged(*(_tar(*layer) for layer in layers), compression=compression)

    assert merged == _modelled(layers)


@given(
    lower=st.lists(OPS, max_size=6),
    hiding=HIDING,
    ops=st.lists(
        OPS.filter(lambda op: op.kind != "hardlink"), max_size=4, unique_by=lambda op: op.path
    ),
)
def test_a_whiteout_hides_lower_layers_wherever_it_stands(
    lower: list[Op], hiding: Op, ops: list[Op]
) -> None:
    below = _tar([], lower)
    first = _merged(below, _tar([hiding], ops))
    last = _merged(below, oci.join(_tar([], ops), _tar([hiding], [])))

    assert last in (REFUSED, first)


def test_the_same_layers_give_the_same_bytes(tmp_path: Path) -> None:
    layer = oci.write_layer(tmp_path, oci.tar(oci.member("b", b"1"), oci.member("a", b"2")))
    outputs = [io.BytesIO(), io.BytesIO()]

    for output in outputs:
        Merger(layers=(layer,)).merge(output.write)

    assert outputs[0].getvalue() == outputs[1].getvalue()


@pytest.mark.parametrize(
    ("target", "place"),
    [("usr/lib", "usr/lib/x"), ("/usr/lib", "usr/lib/x"), ("../../../usr", "usr/x")],
)
def test_an_entry_below_a_link_is_where_the_link_leads_inside_the_image(
    tmp_path: Path, target: str, place: str
) -> None:
    below = oci.tar(oci.directory("usr/lib"), oci.symlink("lib", target))

    merged = merge(tmp_path, below, oci.tar(oci.member("lib/x", b"1")))

    assert merged[place] == ("file", "0o644", "1")
    assert merged["lib"] == ("link", target)


def test_a_directory_takes_the_place_of_a_link(tmp_path: Path) -> None:
    below = oci.tar(oci.directory("usr/lib"), oci.symlink("lib", "usr/lib"))

    merged = merge(tmp_path, below, oci.tar(oci.directory("lib"), oci.member("lib/x")))

    assert "lib/x" in merged
    assert "usr/lib/x" not in merged


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    layer = oci.tar(oci.symlink("a", "b"), oci.symlink("b", "a"), oci.member("a/x"))

    with pytest.raises(BboxError, match="links"):
        merge(tmp_path, layer)


def test_links_can_not_make_a_tree_deeper_than_the_limit(tmp_path: Path) -> None:
    deep = "/".join("d" * 200)
    layer = oci.tar(oci.symlink("l", deep), oci.symlink(f"{deep}/l", f"/{deep}/{deep}"))

    with pytest.raises(BboxError, match="directories in each other"):
        merge(tmp_path, layer, oci.tar(oci.member("l/l/x")))


def test_a_file_whose_first_name_is_replaced_lives_on_under_its_second(tmp_path: Path) -> None:
    below = oci.tar(oci.member("a", b"old"), oci.hardlink("b", "a"))

    merged = merge(tmp_path, below, oci.tar(oci.member("a", b"new")))

    assert merged == {"a": ("file", "0o644", "new"), "b": ("file", "0o644", "old")}


def test_a_hard_link_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BboxError, match="hard link to what is no file"):
        merge(tmp_path, oci.tar(oci.hardlink("a", "b")))


def test_a_device_is_left_out_and_hides_what_was_there(tmp_path: Path) -> None:
    device = oci.member("a", kind=tarfile.CHRTYPE)

    merged = merge(tmp_path, oci.tar(oci.member("a"), oci.member("b")), oci.tar(device))

    assert set(merged) == {"b"}


def test_what_aufs_kept_for_itself_is_left_out(tmp_path: Path) -> None:
    assert merge(tmp_path, oci.tar(oci.member(".wh..wh.aufs"), oci.member(".wh."))) == {}


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    layer = oci.write_layer(tmp_path, oci.tar(*(oci.member(f"f{i}") for i in range(11))))
    merger = Merger(layers=(layer,), limits=Limits(entries=10))

    with pytest.raises(BboxError, match="more files"):
        merger.merge(io.BytesIO().write)


def test_names_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    members = [oci.member("/".join(["n" * 200] * 10 + [str(i)])) for i in range(100)]
    layer = oci.write_layer(tmp_path, oci.tar(*members))
    merger = Merger(layers=(layer,), limits=Limits(metadata_bytes=100_000))

    with pytest.raises(BboxError, match="longer names"):
        merger.merge(io.BytesIO().write)


def test_all_layers_together_have_one_limit(tmp_path: Path) -> None:
    layers = tuple(
        oci.write_layer(tmp_path, oci.tar(oci.member(name, bytes(60_000)))) for name in "abc"
    )
    merger = Merger(layers=layers, limits=Limits(total_bytes=150_000))

    with pytest.raises(BboxError, match="more bytes"):
        merger.merge(io.BytesIO().write)


def test_a_layer_with_another_digest_is_refused(tmp_path: Path) -> None:
    layer = oci.write_layer(tmp_path, oci.tar(oci.member("a", b"1")))
    layer.path.write_bytes(oci.tar(oci.member("a", b"2")))

    with pytest.raises(BboxError, match=layer.digest):
        Merger(layers=(layer,)).merge(io.BytesIO().write)
