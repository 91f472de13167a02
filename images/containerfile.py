# SPDX-License-Identifier: Apache-2.0
"""Containerfiles to OCI layouts, by buildah without privileges of its own."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from images.command import call


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """A buildah whose files are all below one directory.

    Attributes:
        work: Holds the layouts, by their names, and buildah's storage while it works.
        timestamp: Of everything in the layers.
    """

    work: Path
    timestamp: int

    def build(self, name: str, containerfile: Path, context: Path, base: str = "") -> Path:
        """Build one image; returns its OCI layout, which replaces an older one."""
        layout, new = self.work / name, f"{name}.new"
        shutil.rmtree(self.work / new, ignore_errors=True)
        argument = ("--build-arg", f"BASE=oci:{base}") if base else ()
        try:
            # Relative names: buildah writes the base's into the image.
            self._buildah(
                "bud",
                "--isolation=chroot",
                "--layers=false",
                "--identity-label=false",
                f"--timestamp={self.timestamp}",
                *argument,
                f"--tag=oci:{new}",
                f"--file={containerfile}",
                str(context),
            )
        finally:
            self._clean()
        shutil.rmtree(layout, ignore_errors=True)
        (self.work / new).rename(layout)
        return layout

    def push(self, name: str, destination: str) -> None:
        """Send a layout to a registry, with the credentials that buildah knows."""
        try:
            image = self._buildah("pull", "--quiet", f"oci:{name}").strip()
            self._buildah("push", image, f"docker://{destination}")
        finally:
            self._clean()

    def _buildah(self, *words: str) -> str:
        storage = self.work / "storage"
        return call(
            "buildah",
            f"--root={storage / 'root'}",
            f"--runroot={storage / 'run'}",
            # Works without fuse and without overlayfs on overlayfs.
            "--storage-driver=vfs",
            *words,
            cwd=self.work,
        )

    def _clean(self) -> None:
        storage = self.work / "storage"
        shutil.rmtree(storage, ignore_errors=True)
        if storage.exists():
            # An ordinary user's storage has files of that user's subordinate uids.
            call("buildah", "unshare", "rm", "-rf", str(storage))
