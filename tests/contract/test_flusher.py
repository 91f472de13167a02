# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import Flusher, FlushId, FlushKind, ResultKind, WorkspaceFiles
from bbox_server.domain.plan import FlushPlan, PresentKind, Wanted, paths_to_observe
from bbox_server.domain.planning import plan_flush
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.flusher import DiskFlusher
from bbox_server.infra.workspace.present import DiskWorkspace
from tests.fakes.flush import MemoryFlusher, MemoryWorkspace
from tests.fakes.overlay import Node, Tree, tree
from tests.infra.flush.ground import DIRECTORY, Contents, file, link, wanted

BEFORE = tree(
    {
        "d/plain": b"old\n",
        "d/tool": Node(content=b"tool\n", mode=0o755),
        "mode": b"mode\n",
        "deleted": b"deleted\n",
        "file": b"a file\n",
        "directory/inner": b"inner\n",
        "link": Node(target="mode"),
    }
)


@dataclass(kw_only=True)
class Workspace:
    """A workspace with its flusher, on a disk or not."""

    files: WorkspaceFiles
    flusher: Flusher
    read: Callable[[], Tree]
    write: Callable[[str, bytes], object]

    async def plan(self, *items: Wanted) -> FlushPlan:
        return plan_flush(items, await self.files.observe(sorted(paths_to_observe(items))), {})


def lay_out(root: Path, nodes: Tree) -> None:
    for path, node in nodes.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if node.target is not None:
            target.symlink_to(node.target)
        elif node.content is None:
            target.mkdir(exist_ok=True)
        else:
            target.write_bytes(node.content)
            target.chmod(node.mode)


def read_back(root: Path) -> Tree:
    nodes: Tree = {}
    for path in root.rglob("*"):
        name = PurePosixPath(path.relative_to(root))
        if path.is_symlink():
            nodes[name] = Node(target=str(path.readlink()))
        elif path.is_file():
            nodes[name] = Node(content=path.read_bytes(), mode=path.stat().st_mode & 0o777)
        elif not any(path.iterdir()):
            nodes[name] = Node()
    return nodes


@pytest.fixture(params=["fake", "disk"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    if request.param == "fake":
        memory = MemoryWorkspace(nodes=dict(BEFORE))
        return Workspace(
            files=memory,
            flusher=MemoryFlusher(workspace=memory),
            read=lambda: {
                path: node
                for path, node in memory.nodes.items()
                if node != Node() or not memory.present(path).names
            },
            write=lambda name, content: memory.nodes.update(tree({name: content})),
        )
    root = tmp_path / "workspace"
    root.mkdir()
    lay_out(root, BEFORE)
    return Workspace(
        files=DiskWorkspace(workspace=HostPath(str(root))),
        flusher=DiskFlusher(
            workspace=HostPath(str(root)),
            journals=HostPath(str(tmp_path / "flush")),
            lock=HostPath(str(tmp_path / "lock")),
            session=SessionId("00c0ffee"),
        ),
        read=lambda: read_back(root),
        write=lambda name, content: (root / name).write_bytes(content),
    )


def all_kinds(contents: Contents) -> tuple[Wanted, ...]:
    return (
        wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),
        wanted("d/tool", file(b"tool\n", 0o755), contents.add(b"tool 2\n", 0o755)),
        wanted("mode", file(b"mode\n"), file(b"mode\n", 0o755)),
        wanted("deleted", file(b"deleted\n"), None),
        wanted("file", file(b"a file\n"), DIRECTORY),
        wanted("file/child", None, contents.add(b"child\n")),
        wanted("directory", DIRECTORY, contents.add(b"a file now\n")),
        wanted("directory/inner", file(b"inner\n"), None),
        wanted("new/deep/one", None, contents.add(b"one\n", 0o755)),
        wanted("link", link("mode"), link("d/plain")),
        wanted("empty", None, DIRECTORY),
    )


AFTER = tree(
    {
        "d/plain": b"new\n",
        "d/tool": Node(content=b"tool 2\n", mode=0o755),
        "mode": Node(content=b"mode\n", mode=0o755),
        "file/child": b"child\n",
        "directory": b"a file now\n",
        "new/deep/one": Node(content=b"one\n", mode=0o755),
        "link": Node(target="d/plain"),
        "empty": Node(),
    }
)


async def test_every_kind_of_operation_reaches_the_workspace(workspace: Workspace) -> None:
    contents = Contents()

    async with workspace.flusher.lock():
        plan = await workspace.plan(*all_kinds(contents))
        report = await workspace.flusher.apply(plan, contents)

    assert report.failed == ()
    assert workspace.read() == AFTER


async def test_an_undo_brings_everything_back(workspace: Workspace) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        plan = await workspace.plan(*all_kinds(contents))
        report = await workspace.flusher.apply(plan, contents)

        undone = await workspace.flusher.undo(report.flush)

    assert undone.kind is FlushKind.UNDO
    assert undone.failed == ()
    assert workspace.read() == BEFORE


async def test_a_file_that_changed_after_the_plan_is_left_and_the_others_are_written(
    workspace: Workspace,
) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        plan = await workspace.plan(
            wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),
            wanted("deleted", file(b"deleted\n"), None),
            wanted("mode", file(b"mode\n"), contents.add(b"more\n")),
        )
        workspace.write("d/plain", b"the user's\n")
        workspace.write("deleted", b"the user's, too\n")

        report = await workspace.flusher.apply(plan, contents)

    now = workspace.read()
    assert {str(result.path): result.result for result in report.results} == {
        "d/plain": ResultKind.CHANGED_MEANWHILE,
        "mode": ResultKind.APPLIED,
        "deleted": ResultKind.CHANGED_MEANWHILE,
    }
    assert now[PurePosixPath("d/plain")].content == b"the user's\n"
    assert now[PurePosixPath("deleted")].content == b"the user's, too\n"
    assert now[PurePosixPath("mode")].content == b"more\n"


async def test_a_file_that_appeared_after_the_plan_is_not_replaced(workspace: Workspace) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        plan = await workspace.plan(wanted("d/new", None, contents.add(b"agent\n")))
        workspace.write("d/new", b"user\n")

        report = await workspace.flusher.apply(plan, contents)

    assert [result.result for result in report.results] == [ResultKind.CHANGED_MEANWHILE]
    assert workspace.read()[PurePosixPath("d/new")].content == b"user\n"


async def test_an_undo_leaves_what_the_user_edited_since(workspace: Workspace) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        plan = await workspace.plan(
            wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),
            wanted("mode", file(b"mode\n"), contents.add(b"more\n")),
        )
        report = await workspace.flusher.apply(plan, contents)
        workspace.write("d/plain", b"the user went on\n")

        undone = await workspace.flusher.undo(report.flush)

    assert {str(result.path): result.result for result in undone.results} == {
        "d/plain": ResultKind.CHANGED_MEANWHILE,
        "mode": ResultKind.APPLIED,
    }
    assert workspace.read()[PurePosixPath("d/plain")].content == b"the user went on\n"
    assert workspace.read()[PurePosixPath("mode")].content == b"mode\n"


async def test_a_content_that_is_not_the_reviewed_one_is_not_written(workspace: Workspace) -> None:
    contents = Contents()
    result = contents.add(b"reviewed\n")
    async with workspace.flusher.lock():
        plan = await workspace.plan(wanted("d/plain", file(b"old\n"), result))
        contents.by_digest = dict.fromkeys(contents.by_digest, b"something else\n")

        report = await workspace.flusher.apply(plan, contents)

    assert [outcome.result for outcome in report.results] == [ResultKind.FAILED]
    assert workspace.read() == BEFORE


async def test_the_old_name_stays_when_the_new_one_can_not_be_written(
    workspace: Workspace,
) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        plan = await workspace.plan(
            wanted("renamed", None, contents.add(b"deleted\n")),
            wanted("deleted", file(b"deleted\n"), None, needs="renamed"),
        )
        workspace.write("renamed", b"the user was first\n")

        report = await workspace.flusher.apply(plan, contents)

    assert report.applied == ()
    assert workspace.read()[PurePosixPath("deleted")].content == b"deleted\n"


async def test_a_directory_with_other_files_is_kept(workspace: Workspace) -> None:
    async with workspace.flusher.lock():
        plan = await workspace.plan(
            wanted("directory", DIRECTORY, None),
            wanted("directory/inner", file(b"inner\n"), None),
        )
        workspace.write("directory/mine", b"mine\n")

        report = await workspace.flusher.apply(plan, Contents())

    assert [result.result for result in report.results] == [
        ResultKind.APPLIED,
        ResultKind.NOT_EMPTY,
    ]
    assert workspace.read()[PurePosixPath("directory/mine")].content == b"mine\n"


async def test_a_flush_is_undone_once(workspace: Workspace) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        plan = await workspace.plan(wanted("d/plain", file(b"old\n"), contents.add(b"new\n")))
        report = await workspace.flusher.apply(plan, contents)
        await workspace.flusher.undo(report.flush)

        with pytest.raises(BboxError) as caught:
            await workspace.flusher.undo(report.flush)

    assert caught.value.code is ErrorCode.FLUSH_UNKNOWN
    records = await workspace.flusher.records()
    assert [(record.kind, record.undone_by) for record in records] == [
        (FlushKind.FLUSH, 2),
        (FlushKind.UNDO, None),
    ]


async def test_an_unknown_flush_is_not_undone(workspace: Workspace) -> None:
    async with workspace.flusher.lock():
        with pytest.raises(BboxError) as caught:
            await workspace.flusher.undo(FlushId(7))

    assert caught.value.code is ErrorCode.FLUSH_UNKNOWN


async def test_without_the_lock_nothing_is_applied(workspace: Workspace) -> None:
    contents = Contents()
    plan = await workspace.plan(wanted("d/plain", file(b"old\n"), contents.add(b"new\n")))

    with pytest.raises(AssertionError):
        await workspace.flusher.apply(plan, contents)

    assert workspace.read() == BEFORE


async def test_nothing_is_left_to_recover_after_a_flush(workspace: Workspace) -> None:
    contents = Contents()
    async with workspace.flusher.lock():
        await workspace.flusher.apply(await workspace.plan(*all_kinds(contents)), contents)

        assert await workspace.flusher.recover() == ()


async def test_the_workspace_is_seen_as_it_is(workspace: Workspace) -> None:
    paths = [
        PurePosixPath(name)
        for name in ("d", "d/plain", "link", "link/below", "mode/below", "absent", "absent/too")
    ]

    present = await workspace.files.observe(paths)

    assert [present[path].kind for path in paths] == [
        PresentKind.DIRECTORY,
        PresentKind.FILE,
        PresentKind.SYMLINK,
        *[PresentKind.ABSENT] * 4,
    ]
    assert present[PurePosixPath("d")].names == ("plain", "tool")
    assert present[PurePosixPath("link")].link_target == "mode"
    assert present[PurePosixPath("d/plain")].digest == file(b"old\n").digest


async def test_what_is_no_file_any_more_is_stale_to_read(workspace: Workspace) -> None:
    with pytest.raises(BboxError) as caught:
        await workspace.files.read(PurePosixPath("absent"), 10)

    assert caught.value.code is ErrorCode.FLUSH_STALE
    assert await workspace.files.read(PurePosixPath("d/plain"), 2) == b"ol"


async def test_a_flush_of_nothing_is_noted_and_undone(workspace: Workspace) -> None:
    # The agent's commits are fetched under its number.
    async with workspace.flusher.lock():
        report = await workspace.flusher.apply(FlushPlan(), Contents())
        assert [record.flush for record in await workspace.flusher.records()] == [report.flush]
        undone = await workspace.flusher.undo(report.flush)
    assert (report.results, undone.results) == ((), ())
