# SPDX-License-Identifier: Apache-2.0
"""The guest's half of reading a login, run by this machine's busybox."""

import os
import subprocess
from pathlib import Path, PurePosixPath
from typing import Final

from bbox_server.domain.guest_login import parse_found, read_command
from bbox_server.domain.login import FILE_BYTES, FoundCredentials

GUEST_BUSYBOX: Final = "/run/bbox/busybox"
BUSYBOX: Final = "/bin/busybox"


def read(home: Path, *paths: str) -> FoundCredentials:
    wanted = tuple(PurePosixPath(path) for path in paths)
    words = [word.replace(GUEST_BUSYBOX, BUSYBOX) for word in read_command(wanted).argv]
    done = subprocess.run(
        words, cwd=home, env={"PATH": "/nonexistent"}, capture_output=True, check=True
    )
    assert done.stderr == b""
    return parse_found(done.stdout, wanted, frozenset())


def test_files_and_directories_are_read_and_others_are_not(tmp_path: Path) -> None:
    for name, content in {
        "auth.json": b'{"a": 1}\n',
        "dir/a": b"\0\xff",
        "dir/1/2/3/in": b"in",
        "dir/1/2/3/4/out": b"out",
        "dir/with space\n'$(x)": b"odd",
        "-dash": b"dash",
        "not asked": b"no",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    found = read(tmp_path, "auth.json", "dir", "-dash", "absent")
    assert {str(file.path): file.content for file in found.files} == {
        "-dash": b"dash",
        "auth.json": b'{"a": 1}\n',
        "dir/1/2/3/in": b"in",
        "dir/a": b"\0\xff",
    }
    assert found.complete
    assert found.refused == ("dir/with space\\n'$(x): its name can't be kept",)


def test_links_and_fifos_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "dir/fifo")
    (tmp_path / "auth.json").symlink_to("/etc/passwd")
    (tmp_path / "away").symlink_to("/etc")
    found = read(tmp_path, "dir", "auth.json", "away")
    assert found.files == ()
    assert found.refused == ("auth.json: it is a link", "away: it is a link")


def test_a_large_file_is_cut_before_it_is_sent(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)
    found = read(tmp_path, "large")
    assert found.files == ()
    assert f"larger than {FILE_BYTES // 1024} KiB" in found.refused[0]
