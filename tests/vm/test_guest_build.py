# SPDX-License-Identifier: Apache-2.0
"""The real packages, built for real. Marked vm because it takes as long as a boot."""

import json
import time
from pathlib import Path

import pytest

from guest.apt import FetchedPackage, fetch
from guest.output import build
from guest.pins import parse_pins
from tests.unit.guest.initramfs import by_path, read_archives
from tests.vm.guest_host import REPOSITORY
from tests.vm.guest_machine import CACHE

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def packages() -> list[FetchedPackage]:
    lock = (REPOSITORY / "guest" / "pins.lock").read_text()
    return fetch(parse_pins(lock), CACHE / "packages", print)


def test_the_locked_packages_make_the_same_bytes_twice_within_a_minute(
    packages: list[FetchedPackage], tmp_path: Path
) -> None:
    begun = time.monotonic()
    first = build(packages, tmp_path / "a")
    seconds = time.monotonic() - begun
    second = build(packages, tmp_path / "b")

    assert seconds < 60
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_guest_has_its_drivers_and_no_package_without_licence(
    packages: list[FetchedPackage], tmp_path: Path
) -> None:
    directory = build(packages, tmp_path)
    manifest = json.loads((directory / "manifest.json").read_bytes())
    (archive,) = read_archives((directory / "initramfs").read_bytes())
    entries = by_path(archive)

    rows = [row.split() for row in entries["lib/modules/order"].content.decode().splitlines()]
    assert [name for name, _ in rows] == manifest["modules"]
    assert dict(rows)["virtio_pci_modern_dev"] == "pci"
    assert dict(rows)["jbd2"] == "-"
    unlicensed = [row["package"] for row in manifest["packages"] if row["copyright"] is None]
    assert unlicensed == []
    assert (directory / "vmlinux").read_bytes()[:4] == b"\x7fELF"
