# SPDX-License-Identifier: Apache-2.0
"""What the user said of workspaces' files: the fake and the disk."""

from pathlib import Path

import pytest

from bbox_server.domain.config.source import TrustDecision, TrustStore
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.infra.config.trust import DiskTrust
from tests.fakes.config import MemoryTrust

HERE, THERE = HostPath("/home/user/here"), HostPath("/home/user/\udcffthere")
ONE, OTHER = Digest("1" * 64), Digest("2" * 64)


@pytest.fixture(params=["fake", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TrustStore:
    return MemoryTrust() if request.param == "fake" else DiskTrust(root=tmp_path / "trust")


def test_nothing_is_known_of_a_file_before_somebody_was_asked(store: TrustStore) -> None:
    assert store.decision(HERE, ONE) is None


@pytest.mark.parametrize("decision", TrustDecision)
def test_what_was_said_is_remembered_for_that_content_and_place(
    store: TrustStore, decision: TrustDecision
) -> None:
    store.decide(HERE, ONE, decision)
    assert store.decision(HERE, ONE) is decision
    assert store.decision(HERE, OTHER) is None
    assert store.decision(THERE, ONE) is None


def test_the_last_word_counts(store: TrustStore) -> None:
    store.decide(THERE, ONE, TrustDecision.TRUSTED)
    store.decide(THERE, OTHER, TrustDecision.TRUSTED)
    store.decide(THERE, ONE, TrustDecision.REFUSED)
    assert store.decision(THERE, ONE) is TrustDecision.REFUSED
    assert store.decision(THERE, OTHER) is TrustDecision.TRUSTED


def test_what_was_said_of_a_place_is_forgotten(store: TrustStore) -> None:
    store.decide(HERE, ONE, TrustDecision.TRUSTED)
    store.decide(THERE, ONE, TrustDecision.TRUSTED)
    assert store.forget(HERE)
    assert store.decision(HERE, ONE) is None
    assert store.decision(THERE, ONE) is TrustDecision.TRUSTED
    assert not store.forget(HERE)


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'{"decisions": 3}', b"\xff", b"[" * 9999])
def test_a_damaged_file_is_no_trust(tmp_path: Path, content: bytes) -> None:
    store = DiskTrust(root=tmp_path)
    store.decide(HERE, ONE, TrustDecision.TRUSTED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert store.decision(HERE, ONE) is None
    store.decide(HERE, ONE, TrustDecision.TRUSTED)
    assert store.decision(HERE, ONE) is TrustDecision.TRUSTED
