# SPDX-License-Identifier: Apache-2.0
"""The workspace that the torture set works on."""

import os
import subprocess
from pathlib import Path

from tests.vm.bbox_command import make_repository

EXCLUDED = (".env", "deploy.pem", "node_modules/left-pad/index.js", "dist/app.js", "secret/.env")
"""Not there for the guest: secrets, also one that git tracks, and what a build makes again."""

TRACKED = "dist/tracked.js"
"""Below an excluded directory, and there for the guest: git tracks it (compat P-08)."""


IDENTITY = ("-c", "user.name=User", "-c", "user.email=user@example.invalid")


def make_tree(root: Path) -> None:
    """Make the workspace, a git repository with one commit."""
    root.mkdir()
    _write_texts(root)
    _write_odd_names(root)
    for name, target in (("link1", "mod.txt"), ("link2", "mod.txt"), ("linkdir", "dirA")):
        (root / name).symlink_to(target)
    (root / "hlx_b").hardlink_to(root / "hlx_a")
    os.utime(root / "keepm.txt", ns=(10**18, 10**18 + 123_456_789))
    for path in EXCLUDED:
        _write(root / path, "only for the host\n")
    _write(root / TRACKED, "tracked\n")
    make_repository(root / "third/repo")
    make_repository(root)
    subprocess.run(["git", "add", "--force", TRACKED], cwd=root, check=True)
    subprocess.run(
        ["git", *IDENTITY, "commit", "--quiet", "--message", "Track"], cwd=root, check=True
    )


def _write_texts(root: Path) -> None:
    for path, content in TEXTS.items():
        _write(root / path, content)
    for directory in "ACDEF":
        for number in range(3):
            _write(root / f"dir{directory}/s/f{number}", f"{directory}{number}\n")
    (root / "exec.sh").chmod(0o755)
    with (root / "sparse_mod").open("wb") as file:
        file.truncate(20 << 20)


def _write_odd_names(root: Path) -> None:
    for name in ODD_NAMES:
        (root / os.fsdecode(name)).write_bytes(b"odd\n" + name)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


TEXTS = {
    "mod.txt": "m\n",
    "sed.txt": "".join(f"line{number}\n" for number in range(20)),
    "chmod.txt": "x",
    "del.txt": "d",
    "ren.txt": "rename me\n" * 5,
    "ren_exec.txt": "rename me and run me\n" * 5,
    "file2dir": "f",
    "plain.sh": "#!/bin/sh\n",
    "exec.sh": "#!/bin/sh\n",
    "reg2link": "r",
    "hl1": "h\n",
    "hlx_a": "h\n",
    "bigmod": "q" * 1_000_000,
    "keepm.txt": "keep\n",
    "touched.txt": "t",
    "deep/a/b/c/d/e/f": "f",
    "big_ro": "l\n" * 1000,
    "no_newline": "first\nlast",
    "crlf.txt": "one\r\ntwo\r\n",
    "Case.txt": "c\n",
    "untouched/u": "u",
    "third/repo/readme": "a repository of its own below\n",
    ".gitignore": ".env\ndist/\nnode_modules/\n",
    "Makefile": "all:\n\ttrue\n",
    ".vscode/settings.json": "{}\n",
}

ODD_NAMES = (
    b"old\nline.txt",
    b"old\xff\xfebytes",
    "ält-日本.txt".encode(),
    b"-rf",
    b" leading and trailing ",
    b"esc\x1b[31mred",
    b"hash#1",
    b"l" * 255,
)
