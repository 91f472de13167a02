# SPDX-License-Identifier: Apache-2.0
import hashlib
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from guest.apt import FetchError, fetch, newest
from guest.pins import Pin

# What apt-get and apt-cache of these tests know: ARCHIVE/PACKAGE/{content,Version,Depends}.
_DOWNLOAD = """#!/bin/sh
for word; do wanted=$word; done
package=${wanted%%:*} version=${wanted#*=}
read -r known 2>/dev/null <"$ARCHIVE/$package/Version" || known=
if [ "$known" != "$version" ]; then
  echo "E: Version '$version' for '$package' was not found" >&2
  exit 100
fi
cp "$ARCHIVE/$package/content" "${package}_x.deb"
echo "$package" >>"$ARCHIVE/downloads"
"""
_SHOW = """#!/bin/sh
for word; do package=${word%:*}; done
cd "$ARCHIVE/$package" 2>/dev/null || { echo "E: No packages found" >&2; exit 100; }
echo "Package: $package"
echo "Version: $(cat Version)"
[ ! -e Depends ] || echo "Depends: $(cat Depends)"
echo "SHA256: $(sha256sum content | cut -d' ' -f1)"
"""


class Archive:
    """A package archive behind two programs that answer as apt does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir(parents=True)
        for name, text in (("apt-get", _DOWNLOAD), ("apt-cache", _SHOW)):
            program = root / "bin" / name
            program.write_text(text.replace("$ARCHIVE", shlex.quote(str(root))))
            program.chmod(0o755)

    def publish(self, package: str, version: str, depends: str = "") -> Pin:
        directory = self.root / package
        directory.mkdir(exist_ok=True)
        content = f"{package} {version}".encode()
        (directory / "content").write_bytes(content)
        (directory / "Version").write_text(version + "\n")
        if depends:
            (directory / "Depends").write_text(depends + "\n")
        digest = hashlib.sha256(content).hexdigest()
        return Pin(
            series=package, package=package, version=version, architecture="amd64", sha256=digest
        )

    def downloads(self) -> list[str]:
        log = self.root / "downloads"
        return log.read_text().split() if log.exists() else []


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    archive = Archive(tmp_path / "archive")
    monkeypatch.setenv("PATH", f"{archive.root}/bin:{os.environ['PATH']}")
    return archive


def test_a_pinned_package_is_downloaded_once(archive: Archive, tmp_path: Path) -> None:
    pin = archive.publish("busybox", "1:1.35-4")

    (first,) = fetch([pin], tmp_path / "cache", print)
    (second,) = fetch([pin], tmp_path / "cache", print)

    assert first == second
    assert first.pinned
    assert first.file.read_bytes() == b"busybox 1:1.35-4"
    assert archive.downloads() == ["busybox"]


def test_a_damaged_file_of_the_cache_is_fetched_again(archive: Archive, tmp_path: Path) -> None:
    pin = archive.publish("busybox", "1.0")
    (package,) = fetch([pin], tmp_path / "cache", print)
    package.file.write_bytes(b"damaged")

    (again,) = fetch([pin], tmp_path / "cache", print)

    assert again.file.read_bytes() == b"busybox 1.0"


def test_a_version_that_is_gone_is_replaced_by_the_newest(archive: Archive, tmp_path: Path) -> None:
    old = archive.publish("openssh-server", "9.2")
    new = archive.publish("openssh-server", "9.3")
    said: list[str] = []

    (package,) = fetch([old], tmp_path / "cache", said.append)

    assert package.pin == new
    assert not package.pinned
    assert any("9.2" in line and "9.3 instead" in line for line in said)
    assert any("make guest-pins" in line for line in said)


def test_the_kernels_series_leads_to_the_package_with_its_version(archive: Archive) -> None:
    kernel = archive.publish("linux-image-6.1.0-56-amd64", "6.1.192-2")
    archive.publish("linux-image-amd64", "6.1.192-2", "linux-image-6.1.0-56-amd64 (= 6.1.192-2)")

    assert newest("linux-image-amd64") == replace(kernel, series="linux-image-amd64")


def test_other_bytes_than_the_pinned_ones_are_refused(archive: Archive, tmp_path: Path) -> None:
    pin = replace(archive.publish("busybox", "1.0"), sha256="0" * 64)
    (archive.root / "busybox" / "content").write_bytes(b"swapped")

    with pytest.raises(FetchError, match="SHA-256"):
        fetch([pin], tmp_path / "cache", print)

    assert list((tmp_path / "cache").iterdir()) == []


def test_a_package_nobody_knows_says_what_to_do(archive: Archive, tmp_path: Path) -> None:
    pin = replace(archive.publish("busybox", "1.0"), package="gone", series="gone")

    with pytest.raises(FetchError, match="apt-get update"):
        fetch([pin], tmp_path / "cache", print)


def test_a_machine_without_apt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(FetchError, match="missing"):
        newest("busybox")
