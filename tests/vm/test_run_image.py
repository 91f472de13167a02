# SPDX-License-Identifier: Apache-2.0
"""Any image runs as it is: Debian's, one on musl, and one with a single static program."""

import subprocess
from pathlib import Path

import pytest

from tests.infra.images.oci import LayoutWriter, directory, member, symlink, tar
from tests.infra.images.test_docker_archive import Saved
from tests.vm.bbox_command import Bbox, make_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
UV = ROOT / ".cache/uv/bin/uv"
BASE = "ghcr.io/stacklok/brood-box/base:latest"
BUSYBOX = Path("/bin/busybox")
MUSL = Path("/lib/ld-musl-x86_64.so.1")
NINJA = "1.13.0"


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory_ = tmp_path / "w"
    directory_.mkdir()
    (directory_ / "mine.txt").write_text("mine\n")
    return directory_


def scratch(directory_: Path) -> Path:
    """No libc, no shell, no /etc, not even a directory: one static program."""
    config: dict[str, object] = {
        "Entrypoint": ["/busybox", "sh", "-c"],
        "Cmd": ["echo $GREETING; pwd; busybox id -u; busybox ls /; echo >here && busybox rm here"],
        "Env": ["GREETING=from the image", "PATH=/"],
        "WorkingDir": "/data/deep",
    }
    program = member("busybox", BUSYBOX.read_bytes(), mode=0o755)
    return LayoutWriter(directory_ / "scratch", config=config).image(tar(program))


def musl(directory_: Path) -> Path:
    """Debian's musl, and a program that is linked to it."""
    subprocess.run(
        [
            *(UV, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"),
            *("--python-platform", "x86_64-unknown-linux-musl", "--target", directory_ / "ninja"),
            f"ninja=={NINJA}",
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    loader = MUSL.resolve().read_bytes()
    program = (directory_ / "ninja/bin/ninja").read_bytes()
    layer = tar(
        directory("lib"),
        member("lib/libc.so", loader, mode=0o755),
        symlink("lib/ld-musl-x86_64.so.1", "libc.so"),
        directory("bin"),
        member("bin/ninja", program, mode=0o755),
    )
    config: dict[str, object] = {"Entrypoint": ["/bin/ninja"], "Cmd": ["--version"]}
    return LayoutWriter(directory_ / "musl", config=config).image(layer)


def docker_archive(directory_: Path) -> Path:
    """The same program as `docker save` writes it."""
    layer = tar(member("busybox", BUSYBOX.read_bytes(), mode=0o755))
    config = {"Entrypoint": ["/busybox", "sh", "-c"], "Env": ["PATH=/"]}
    return Saved(layers=(layer,), config={"config": config}).write(directory_ / "image.tar")


def test_an_image_of_one_static_program_runs(bbox: Bbox, workspace: Path, tmp_path: Path) -> None:
    layout = scratch(tmp_path)
    done = bbox.run("run-image", f"oci:{layout}", "--no-review", cwd=workspace)
    assert done.code == 0, done.error
    greeting, where, uid, *found = done.out.splitlines()
    assert (greeting, where, uid) == ("from the image", "/data/deep", "1000")
    assert "busybox" in found


def test_words_take_the_place_of_the_images_command(
    bbox: Bbox, workspace: Path, tmp_path: Path
) -> None:
    archive = docker_archive(tmp_path)
    words = ("busybox cat mine.txt; echo theirs >new.txt; exit 3",)
    done = bbox.run("run-image", f"docker-archive:{archive}", "--", *words, cwd=workspace)
    assert (done.code, done.out) == (3, "mine\n"), done.error
    (session,) = bbox.sessions(workspace)
    assert session["state"] == "reviewing"
    assert not (workspace / "new.txt").exists()
    assert bbox.run("review", "--accept", "new.txt", cwd=workspace).code == 0
    assert bbox.run("flush", cwd=workspace).code == 0
    assert (workspace / "new.txt").read_text() == "theirs\n"


def test_an_image_on_musl_runs(bbox: Bbox, workspace: Path, tmp_path: Path) -> None:
    done = bbox.run("run-image", f"oci:{musl(tmp_path)}", "--no-review", cwd=workspace)
    assert (done.code, done.out) == (0, f"{NINJA}.git.kitware.jobserver-pipe-1\n"), done.error


def test_debian_runs(bbox: Bbox, workspace: Path) -> None:
    words = ("sh", "-c", "cat /etc/debian_version; pwd; cat mine.txt")
    done = bbox.run("run-image", BASE, "--no-review", "--", *words, cwd=workspace)
    assert done.code == 0, done.error
    release, where, content = done.out.splitlines()
    assert release.startswith("12.")
    assert (where, content) == ("/workspace", "mine")
