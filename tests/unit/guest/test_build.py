# SPDX-License-Identifier: Apache-2.0
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from guest.kernel import KernelError
from guest.layout import MODULES, LayoutError
from guest.output import build, inputs_digest
from tests.unit.guest.initramfs import Entry, by_path, read_archives
from tests.unit.guest.packages import KERNEL, deb, elf_image, fetched, guest_packages


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return build(guest_packages(tmp_path), tmp_path / "guest")


@pytest.fixture
def entries(built: Path) -> dict[str, Entry]:
    (archive,) = read_archives((built / "initramfs").read_bytes())
    return by_path(archive)


def test_the_same_inputs_make_the_same_bytes(tmp_path: Path) -> None:
    packages = guest_packages(tmp_path)
    first, second = build(packages, tmp_path / "a"), build(packages[::-1], tmp_path / "b")

    assert first.name == second.name
    for name in ("vmlinux", "initramfs", "manifest.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_build_is_named_by_its_inputs(tmp_path: Path) -> None:
    pins = [package.pin for package in guest_packages(tmp_path)]
    other = [replace(pins[0], sha256="0" * 64), *pins[1:]]

    assert inputs_digest(pins) == inputs_digest(pins[::-1])
    assert inputs_digest(pins) != inputs_digest(other)


def test_a_build_that_exists_becomes_the_newest_again(tmp_path: Path, built: Path) -> None:
    manifest = built / "manifest.json"
    os.utime(manifest, (0, 0))

    assert build(guest_packages(tmp_path), tmp_path / "guest") == built
    assert manifest.stat().st_mtime > 0


def test_a_half_built_directory_is_replaced(tmp_path: Path, built: Path) -> None:
    (built / "manifest.json").unlink()
    (built / "initramfs").write_bytes(b"half")

    build(guest_packages(tmp_path), tmp_path / "guest")

    assert (built / "manifest.json").is_file()
    assert (built / "initramfs").stat().st_size > 4


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    packages = [package for package in guest_packages(tmp_path) if package.pin.package != "libc6"]

    with pytest.raises(LayoutError, match=r"ld-linux-x86-64\.so\.2|libc\.so\.6"):
        build(packages, tmp_path / "guest")

    assert list((tmp_path / "guest").iterdir()) == []


def test_a_missing_kernel_is_told(tmp_path: Path) -> None:
    packages = [
        package for package in guest_packages(tmp_path) if "linux" not in package.pin.package
    ]

    with pytest.raises(KernelError, match="no kernel"):
        build(packages, tmp_path / "guest")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    packages = guest_packages(tmp_path)
    packages[1] = fetched(deb(tmp_path / "tools.deb", {"bin/busybox": elf_image()}), "tools")

    with pytest.raises(LayoutError, match="usr/sbin/sshd"):
        build(packages, tmp_path / "guest")


def test_everyone_may_read_a_build(built: Path) -> None:
    assert stat.S_IMODE(built.stat().st_mode) == 0o755
    assert {stat.S_IMODE((built / name).stat().st_mode) for name in ("vmlinux", "initramfs")} == {
        0o644
    }
    assert (built / "vmlinux").read_bytes() == KERNEL


def test_the_manifest_tells_packages_and_sizes(tmp_path: Path) -> None:
    packages = guest_packages(tmp_path)
    packages[1] = replace(packages[1], pinned=False)
    directory = build(packages, tmp_path / "guest")

    manifest = json.loads((directory / "manifest.json").read_bytes())

    rows = {row["package"]: row for row in manifest["packages"]}
    assert rows["tools"]["pinned"] is False
    assert rows["tools"]["version"] == "1.0"
    assert (directory / rows["tools"]["copyright"]).read_bytes() == b"BSD"
    assert rows["libc6"]["copyright"] == rows["tools"]["copyright"]
    assert manifest["kernel"] == "6.1"
    assert manifest["files"]["vmlinux"]["size"] == len(KERNEL)


def test_modules_lie_in_load_order_with_their_conditions(entries: dict[str, Entry]) -> None:
    rows = [line.split() for line in entries["lib/modules/order"].content.decode().splitlines()]
    names = [name for name, _ in rows]

    assert dict(rows) == {**dict(MODULES), "netfs": "9p"}
    assert names.index("netfs") < names.index("9p")
    assert names.index("virtio_ring") < names.index("virtio")
    dependencies = entries["lib/modules/6.1/modules.dep"].content.decode().splitlines()
    assert dependencies == [f"{name}.ko:" for name in names]
    assert "lib/modules/6.1/snd.ko" not in entries
    assert b"signature" not in entries["lib/modules/6.1/virtio.ko"].content


def test_programs_come_with_their_libraries(entries: dict[str, Entry]) -> None:
    assert entries["usr/sbin/sshd"].mode == stat.S_IFREG | 0o755
    assert "lib/x86_64-linux-gnu/libc.so.6" in entries
    assert entries["lib64/ld-linux-x86-64.so.2"].content == elf_image()
    assert "usr/bin/unused" not in entries


def test_the_agent_owns_its_home_and_nothing_else(entries: dict[str, Entry]) -> None:
    owned = {path for path, entry in entries.items() if entry.uid != 0}

    assert owned == {"skeleton/home/sandbox", "skeleton/workspace"}
    assert entries["skeleton/tmp"].mode == stat.S_IFDIR | 0o1777
    assert entries["bbox"].mode == stat.S_IFDIR | 0o711


def test_the_agents_devices_are_harmless_ones(entries: dict[str, Entry]) -> None:
    devices = {
        path.removeprefix("agent-dev/")
        for path, entry in entries.items()
        if stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode)
    }

    assert devices == {*("dev/console", "fuse", "full", "null", "random", "tty", "urandom", "zero")}


def test_no_entry_is_setuid(entries: dict[str, Entry]) -> None:
    assert not [path for path, entry in entries.items() if entry.mode & 0o6000]
