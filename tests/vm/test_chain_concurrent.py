# SPDX-License-Identifier: Apache-2.0
"""Two agents at once on one workspace."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Bbox, Finished, make_repository, own_bbox
from tests.vm.session_processes import wait_until

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]

LINES: Final = [f"line {number}\n" for number in range(1, 31)]
FIRST: Final = """
sed -i 's/^line 2$/line 2 of the first/; s/^line 15$/line 15 of the first/' shared.txt
sed -i 's/^line 25$/line 25 of the first/' apart.txt
echo first >both.txt; rm deleted_by_first.txt; echo first >first.txt; read -r _
"""
SECOND: Final = """
sed -i 's/^line 28$/line 28 of the second/; s/^line 15$/line 15 of the second/' shared.txt
sed -i 's/^line 5$/line 5 of the second/' apart.txt
echo second >both.txt; echo second >second.txt; echo more >>deleted_by_first.txt
"""


@dataclass(frozen=True, kw_only=True)
class Two:
    """Two sessions, both flushed."""

    workspace: Path
    listed: list[dict[str, Any]]
    first: Finished
    second: Finished
    between: dict[str, str]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    workspace = tmp_path_factory.mktemp("two") / "work"
    workspace.mkdir()
    (workspace / "shared.txt").write_text("".join(LINES))
    (workspace / "apart.txt").write_text("".join(LINES))
    (workspace / "deleted_by_first.txt").write_text("old\n")
    make_repository(workspace)
    with own_bbox() as bbox:
        yield _run_both(bbox, workspace)


def _run_both(bbox: Bbox, workspace: Path) -> Two:
    words = ("run", "--image", CODEX_IMAGE, "--no-review", "--", "bash", "-c")
    with bbox.terminal(*words, FIRST, cwd=workspace) as first:
        first.expect("MicroVM is up", timeout_s=90)
        ids = [bbox.sessions(workspace)[0]["id"]]
        upper = bbox.session_directory(ids[0]) / "upper/u"
        wait_until((upper / "first.txt").exists, 60, "working")
        second = bbox.run(*words, SECOND, cwd=workspace)
        assert second.code == 0, second.error
        listed = bbox.sessions(workspace)
        assert _contents(workspace)["shared.txt"] == "".join(LINES)
        first.send("\r")
        assert first.wait() == 0
    ids += [record["id"] for record in listed if record["id"] not in ids]
    flushed: list[Finished] = []
    between: dict[str, str] = {}
    # The second one first: the order of the flushes is the user's.
    for session in reversed(ids):
        flushed.append(
            bbox.run("review", session, "--accept-all", "--flush", "--json", cwd=workspace)
        )
        between = between or _contents(workspace)
    return Two(
        workspace=workspace,
        listed=listed,
        second=flushed[0],
        first=flushed[1],
        between=between,
    )


def _contents(workspace: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in workspace.iterdir() if path.is_file()}


def test_both_run_at_the_same_time_on_what_the_user_has(two: Two) -> None:
    states = {record["state"] for record in two.listed}
    assert states == {"running", "reviewing"}


def test_the_first_flush_applies_as_it_is(two: Two) -> None:
    assert two.second.code == 0, two.second.error
    assert two.between["both.txt"] == "second\n"
    assert "line 15 of the second\n" in two.between["shared.txt"]
    assert two.between["deleted_by_first.txt"] == "old\nmore\n"


def test_what_both_changed_is_a_conflict_and_not_overwritten(two: Two) -> None:
    assert two.first.code == 1
    now = _contents(two.workspace)
    for name in ("both.txt", "shared.txt", "deleted_by_first.txt"):
        assert now[name] == two.between[name]
    failures = {
        change["path"]: change["failure"]
        for change in json.loads(two.first.out[two.first.out.index("{") :])["changes"]
        if "failure" in change
    }
    assert set(failures) == {"both.txt", "shared.txt", "deleted_by_first.txt"}
    assert all("conflict" in failure for failure in failures.values())


def test_what_they_changed_apart_is_merged(two: Two) -> None:
    changed = {"line 5\n": "line 5 of the second\n", "line 25\n": "line 25 of the first\n"}
    expected = "".join(changed.get(line, line) for line in LINES)
    assert _contents(two.workspace)["apart.txt"] == expected


def test_what_one_changed_alone_is_applied(two: Two) -> None:
    now = _contents(two.workspace)
    assert now["first.txt"] == "first\n"
    assert now["second.txt"] == "second\n"
