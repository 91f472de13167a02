# SPDX-License-Identifier: Apache-2.0
"""What the agent may write where git keeps refs and objects."""

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bbox_server.domain.commit import DETACHED, is_branch_name, is_commit_id
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace import agent_refs
from bbox_server.infra.workspace.agent_refs import OverlayGit, packed_branches
from bbox_server.infra.workspace.overlay import OverlayPlace
from tests.infra.workspace.ground import Ground

TIP = "1" * 40
FILES = st.binary(max_size=80) | st.sampled_from(
    [
        f"{TIP} refs/heads/main\n".encode(),
        f"{TIP} refs/heads/../../config\n".encode(),
        f"{TIP} refs/heads/\x1b[2J\n{TIP} refs/heads/x\n^{TIP}\n".encode(),
        f"ref: refs/heads/{'a' * 300}\n".encode(),
        f"{TIP}\n".encode(),
    ]
)


async def view_of(ground: Ground) -> OverlayGit:
    ground.repository()
    ground.write("a")
    ground.commit()
    snapshot = await ground.take()
    ground.open(snapshot).close()
    place = OverlayPlace(generation=snapshot.root, upper=HostPath(str(ground.upper)))
    return OverlayGit(place=place, git=GitCommand())


@pytest_asyncio.fixture
async def view(ground: Ground) -> OverlayGit:
    return await view_of(ground)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(packed=FILES, head=FILES, loose=FILES)
async def test_whatever_the_refs_say_names_and_tips_are_good(
    view: OverlayGit, ground: Ground, packed: bytes, head: bytes, loose: bytes
) -> None:
    for name, content in (("packed-refs", packed), ("HEAD", head), ("refs/heads/new", loose)):
        ground.agent(f".git/{name}", content)
    (repository,) = view.repositories()
    refs = view.refs(repository)
    assert all(is_commit_id(tip) for tip in refs.branches.values())
    assert all(name == DETACHED or is_branch_name(name) for name in refs.branches)
    assert all(name.isprintable() for name in refs.refused)


@given(st.text(max_size=200))
def test_packed_refs_have_tips_or_nothing(text: str) -> None:
    assert all(is_commit_id(tip) for tip in packed_branches(text).values())


async def test_more_objects_than_are_looked_at_are_refused(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await view_of(ground)
    monkeypatch.setattr(agent_refs, "OBJECTS_LIMIT_BYTES", 10)
    for number in range(3):
        ground.agent(f".git/objects/aa/{number:038d}", b"x" * 5)
    (repository,) = view.repositories()
    with pytest.raises(BboxError) as caught:
        list(view.objects(repository))
    assert caught.value.code is ErrorCode.SNAPSHOT_LIMIT


async def test_only_objects_and_packs_are_objects(ground: Ground) -> None:
    view = await view_of(ground)
    names = ("info/alternates", "info/commit-graph", "pack/tmp_pack_1", "aa/short", "aaa/x", "aa")
    for name in names[:-1]:
        ground.agent(f".git/objects/{name}")
    ground.agent(f".git/objects/bb/{'0' * 38}", b"loose")
    ground.agent(".git/objects/pack/pack-1.pack", b"pack")
    (repository,) = view.repositories()
    found = {(one.name, one.is_pack, one.content) for one in view.objects(repository)}
    assert found == {(f"bb{'0' * 38}", False, b"loose"), ("pack-1.pack", True, b"pack")}


async def test_a_deleted_branch_is_no_change(ground: Ground) -> None:
    view = await view_of(ground)
    ground.remove(".git/refs/heads/main")
    (repository,) = view.repositories()
    assert view.refs(repository).branches == {}


async def test_a_git_directory_made_anew_hides_what_was_given(ground: Ground) -> None:
    view = await view_of(ground)
    ground.opaque(".git")
    ground.agent(".git/refs/heads/main", TIP)
    (repository,) = view.repositories()
    assert view.refs(repository).branches == {"main": TIP}


async def test_git_directories_that_the_agent_made_are_not_asked(ground: Ground) -> None:
    view = await view_of(ground)
    ground.agent("new/.git/refs/heads/main", TIP)
    assert [str(one.work_tree) for one in view.repositories()] == ["."]
