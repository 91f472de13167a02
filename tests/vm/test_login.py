# SPDX-License-Identifier: Apache-2.0
"""An agent's login outlives its microVM; nothing else of its home does (compat CRD)."""

import json
import stat
from pathlib import Path
from typing import Final

import pytest

from tests.vm.bbox_command import Bbox, Finished, make_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]

FIRST: Final = r"""
mkdir -p ~/.codex/sessions && cd ~
printf '{"token": "first"}' >.codex/auth.json
echo history >.codex/sessions/1.jsonl; echo rc >.other; ln -s /etc/passwd .codex/link
"""
SECOND: Final = r"""
cd ~; cat .codex/auth.json; echo; stat -c '%a %u' .codex/auth.json
ls -A .codex; [ ! -e .other ] || cat .other
rm .codex/auth.json; ln -s /etc/passwd .codex/auth.json
"""


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    # A home of its own: the login of who runs the tests is not theirs to use.
    env = {"OPENAI_API_KEY": "", "CODEX_API_KEY": "", "HOME": str(sandbox_dir)}
    return make_bbox(sandbox_dir, env)


def run(bbox: Bbox, workspace: Path, script: str, *options: str) -> Finished:
    words = ("codex", "--exec", "sh", *options, "--", "-c", script)
    return bbox.run(*words, "--workspace", str(workspace), cwd=bbox.home)


def test_a_login_is_there_in_the_next_run_and_nothing_else_is(bbox: Bbox, tmp_path: Path) -> None:
    store = bbox.home / "config/broodbox/agent-state/codex"

    first = run(bbox, tmp_path, FIRST, "--login")
    assert first.code == 0, first.error
    assert "Login of codex saved: .codex/auth.json" in first.error
    kept = [path for path in store.rglob("*") if path.is_file()]
    assert {str(path.relative_to(store)) for path in kept} == {".codex/auth.json", ".lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert (store / ".codex/auth.json").read_text() == '{"token": "first"}'

    second = run(bbox, tmp_path, SECOND)
    assert second.code == 0, second.error
    assert "Saved login carried into the guest: .codex/auth.json" in second.error
    assert second.out.splitlines() == ['{"token": "first"}', "600 1000", "auth.json"]
    assert "first" not in second.error
    # A link in its place is not followed, and not taken for a logout.
    assert "Not saved of the agent's login: .codex/auth.json: it is a link" in second.error
    assert (store / ".codex/auth.json").read_text() == '{"token": "first"}'

    listed = bbox.run("auth", "list", "--json", cwd=tmp_path)
    (agent,) = json.loads(listed.out)["agents"]
    assert (agent["agent"], [file["path"] for file in agent["files"]]) == (
        "codex",
        [".codex/auth.json"],
    )
    assert bbox.run("auth", "clear", "codex", cwd=tmp_path).out == (
        "Credentials cleared for codex\n"
    )
    assert bbox.run("auth", "list", cwd=tmp_path).out == "No saved credentials\n"
    assert "credential.missing" in run(bbox, tmp_path, "true").error
