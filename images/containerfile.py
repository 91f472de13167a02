# SPDX-License-Identifier: Apache-2.0
"""Containerfiles to OCI layouts, by buildah without privileges of its own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from images.command import call
from images.pins import BuildError

_STORAGE: Final = "storage"
# The first copies nothing; the second works without fuse and without overlayfs on overlayfs.
_DRIVERS: Final = ("overlay", "vfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """A buildah whose files are all below one directory.

    Attributes:
        work: Holds the layouts, by their names, and buildah's storage while it works.
        driver: Of its storage.
    """

    work: Path
    driver: str

    def build(
        self, name: str, containerfile: Path, context: Path, *, base: str, timestamp: int
    ) -> Path:
        """Build one image; returns its OCI layout, which replaces an older one.

        `timestamp` is that of everything in the layers.
        """
        layout, new = self.work / name, f"{name}.new"
        shutil.rmtree(self.work / new, ignore_errors=True)
        argument = ("--build-arg", f"BASE=oci:{base}") if base else ()
        # Relative names: buildah writes the base's into the image.
        self._buildah(
            "bud",
            "--isolation=chroot",
            "--layers=false",
            "--identity-label=false",
            f"--timestamp={timestamp}",
            *argument,
            f"--tag=oci:{new}",
            f"--file={containerfile}",
            str(context),
        )
        shutil.rmtree(layout, ignore_errors=True)
        (self.work / new).rename(layout)
        return layout

    def push(self, name: str, destination: str) -> None:
        """Send a layout to a registry, with the credentials that buildah knows."""
        image = self._buildah("pull", "--quiet", f"oci:{name}").strip()
        # As Docker does: a registry on this machine may speak without TLS.
        plain = ("--tls-verify=false",) if _is_loopback(destination) else ()
        self._buildah("push", *plain, image, f"docker://{destination}")

    def check(self) -> None:
        """Raises: BuildError when the driver doesn't work here."""
        self._buildah("images", "--quiet")

    def _buildah(self, *words: str) -> str:
        storage = self.work / _STORAGE
        return call(
            "buildah",
            f"--root={storage / 'root'}",
            f"--runroot={storage / 'run'}",
            f"--storage-driver={self.driver}",
            *words,
            cwd=self.work,
        )


@contextmanager
def builder(work: Path) -> Iterator[Builder]:
    """A builder that keeps what it read of a base for the next image; at the end it is gone."""
    work.mkdir(parents=True, exist_ok=True)
    _clean(work)
    try:
        yield _with_a_driver(work)
    finally:
        _clean(work)


def _with_a_driver(work: Path) -> Builder:
    first, last = (Builder(work=work, driver=driver) for driver in _DRIVERS)
    try:
        first.check()
    except BuildError:
        _clean(work)
        return last
    return first


def _clean(work: Path) -> None:
    storage = work / _STORAGE
    shutil.rmtree(storage, ignore_errors=True)
    if storage.exists():
        # An ordinary user's storage has files of that user's subordinate uids.
        call("buildah", "unshare", "rm", "-rf", str(storage))


def _is_loopback(destination: str) -> bool:
    host = destination.partition("/")[0].rpartition(":")[0]
    return host in {"localhost", "[::1]"} or host.startswith("127.")
