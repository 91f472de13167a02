# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.excludes import ExcludeRules, PatternLine
from bbox_server.infra.workspace.manifest import Manifest, ManifestDamagedError, dump, load
from bbox_server.infra.workspace.tree import Row, Tree

NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name))
TEXTS = NAMES.map(os.fsdecode)
TIMES = st.integers(-(2**63), 2**63 - 1)
ROWS: st.SearchStrategy[Row] = st.tuples(
    TEXTS,
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**63 - 1),
    TIMES,
    TIMES,
    st.integers(0, 2**64 - 1),
)
TREES = st.builds(
    Tree,
    rows=st.dictionaries(TEXTS | st.just(""), st.lists(ROWS, max_size=3), max_size=4),
    links=st.dictionaries(TEXTS, TEXTS, max_size=2),
    absent=st.dictionaries(TEXTS, TEXTS, max_size=2),
    skip_worktree=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2), max_size=2),
    git_directories=st.lists(TEXTS, max_size=2),
    sources=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
LINES = st.builds(PatternLine, text=TEXTS, source=TEXTS, number=st.integers(0, 10_000))
RULES = st.builds(
    ExcludeRules,
    file_patterns=st.lists(LINES, max_size=2).map(tuple),
    extra_patterns=st.lists(LINES, max_size=2).map(tuple),
    gitignore_patterns=st.lists(LINES, max_size=2).map(tuple),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
)
MANIFESTS = st.builds(
    Manifest,
    tree=TREES,
    stamp_ns=TIMES,
    rules=RULES,
    built_in=TEXTS,
    boot=TEXTS,
    files=st.integers(0),
    size_bytes=st.integers(0),
)


@given(MANIFESTS)
def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert load(dump(manifest)) == manifest


@given(MANIFESTS, st.data())
def test_a_changed_byte_is_noticed(manifest: Manifest, data: st.DataObject) -> None:
    content = bytearray(dump(manifest))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ManifestDamagedError):
        load(bytes(content))


@given(MANIFESTS, st.data())
def test_a_file_that_was_cut_short_is_noticed(manifest: Manifest, data: st.DataObject) -> None:
    content = dump(manifest)
    with pytest.raises(ManifestDamagedError):
        load(content[: data.draw(st.integers(0, len(content) - 1))])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ManifestDamagedError):
        load(content)
