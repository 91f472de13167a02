# SPDX-License-Identifier: Apache-2.0
"""The list against the kernel's own overlayfs, mounted in a namespace of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bbox_server.domain.change import Change, ChangeKind, EntryKind, Side
from bbox_server.infra.workspace.overlay import DiskOverlay
from tests.infra.workspace.ground import Ground

HERE = Path(__file__).parent

MOUNT = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/u,workdir=$2/w,userxattr" "$3" || exit 77
sh "$4" "$3" && "$5" "$6" "$3"
"""
CANT_MOUNT = 77

DUMP = """
import hashlib, json, os, stat, sys
found = {}
for directory, names, files in os.walk(sys.argv[1]):
    for name in names + files:
        path = os.path.join(directory, name)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            kind = ["link", os.readlink(path)]
        elif stat.S_ISREG(status.st_mode):
            kind = ["file", hashlib.sha256(open(path, "rb").read()).hexdigest(),
                    bool(status.st_mode & 0o100)]
        else:
            kind = ["directory" if stat.S_ISDIR(status.st_mode) else "special"]
        found[os.path.relpath(path, sys.argv[1])] = kind
print(json.dumps(found))
"""

Nodes = dict[str, list[object]]


def torture_tree(ground: Ground) -> None:
    for name in ("appended.txt", "removed.txt", "closed.txt", "touched.txt", "kept-time.txt"):
        ground.write(name, f"{name}\n")
    ground.write("edited.txt", "".join(f"line{number}\n" for number in range(20)))
    ground.write("moved.txt", "move me\n" * 5)
    for directory in ("moved-dir", "removed-dir", "remade-dir", "dir-to-file", "replaced-dir"):
        for number in range(3):
            ground.write(f"{directory}/s/f{number}", f"{directory} {number}\n")
    for name in ("file-to-dir", "file-to-link", "linked-a", "again/x/y", "untouched/u"):
        ground.write(name, f"{name}\n")
    ground.write("plain.sh", "#!/bin/sh\n")
    ground.write("exec.sh", "#!/bin/sh\n", mode=0o755)
    for name in ("link", "link-to-file"):
        (ground.workspace / name).symlink_to("appended.txt")
    ground.write("patched", "q" * 1_000_000)
    ground.write("deep/a/b/c/d/e/f", "f\n")
    ground.write("swap-a", "a\n")
    ground.write("swap-b", "b\n")


def dump(directory: Path) -> Nodes:
    done = subprocess.run(
        (sys.executable, "-c", DUMP, str(directory)), check=True, capture_output=True
    )
    found: Nodes = json.loads(done.stdout)
    return found


def work_in_the_mount(ground: Ground, generation: str) -> Nodes:
    merged = ground.directory / "merged" / "workspace"
    merged.mkdir(parents=True)
    script = ground.directory / "dump.py"
    script.write_text(DUMP)
    done = subprocess.run(
        (
            *("unshare", "--mount", "sh", "-c", MOUNT, "sh", generation, str(ground.upper)),
            *(str(merged), str(HERE / "torture.sh"), sys.executable, str(script)),
        ),
        check=False,
        capture_output=True,
    )
    if done.returncode == CANT_MOUNT or b"unshare" in done.stderr:
        pytest.skip("this machine lets us mount no overlay")
    assert done.returncode == 0, done.stderr
    found: Nodes = json.loads(done.stdout)
    return found


async def applied(nodes: Nodes, changes: tuple[Change, ...], overlay: DiskOverlay) -> Nodes:
    """A tree with the changes made to it, as a flush of them all would."""
    result = dict(nodes)
    for change in changes:
        path = str(change.path)
        if change.kind is ChangeKind.RENAMED:
            result.pop(str(change.old_path))
        if change.agent is None:
            result.pop(path)
        else:
            result[path] = await node_of(change, overlay)
            for up in change.path.parents:
                if up.parts:
                    result.setdefault(str(up), ["directory"])
    return result


async def node_of(change: Change, overlay: DiskOverlay) -> list[object]:
    entry = change.agent
    assert entry is not None
    match entry.kind:
        case EntryKind.FILE:
            content = await overlay.read(Side.AGENT, change.path)
            assert len(content) == entry.size
            return ["file", entry.digest, entry.executable]
        case EntryKind.SYMLINK:
            return ["link", os.fsdecode(await overlay.read(Side.AGENT, change.path))]
        case EntryKind.DIRECTORY:
            return ["directory"]
        case EntryKind.SPECIAL:
            return ["special"]


@pytest.mark.timeout(60)
async def test_the_list_makes_of_the_baseline_what_the_agent_sees(ground: Ground) -> None:
    torture_tree(ground)
    snapshot = await ground.take()
    overlay = ground.open(snapshot)
    seen = work_in_the_mount(ground, snapshot.root)
    changes = (await overlay.changes()).changes
    made = await applied(dump(ground.workspace), changes, overlay)
    overlay.close()
    assert made == seen
    assert dump(ground.workspace) == dump(Path(snapshot.root))
