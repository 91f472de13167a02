# SPDX-License-Identifier: Apache-2.0
"""A store that pulls, and images to pull."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import PullPolicy, RootFilesystem, parse_reference
from bbox_server.infra.images.manifest import Compression
from bbox_server.infra.images.store import SquashfsImageStore
from bbox_server.infra.process.programs import find_program
from tests.infra.images import oci


@dataclass(frozen=True)
class Ground:
    """A store of a user whose home is empty."""

    store: SquashfsImageStore
    home: Path
    directory: Path
    refreshed: list[str]

    async def pull(
        self, reference: str, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        return await self.store.resolve(parse_reference(reference), policy)

    async def refusal(
        self, reference: str, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> BboxError:
        """How a pull fails; it must leave no image."""
        try:
            await self.pull(reference, policy)
        except BboxError as error:
            assert await self.store.list() == ()
            assert self.litter() == []
            return error
        raise AssertionError(reference)

    async def code(self, reference: str) -> ErrorCode:
        return (await self.refusal(reference)).code

    def litter(self) -> list[str]:
        """What a pull leaves besides images, their names and layers."""
        root = self.store.root
        return (
            [path.name for path in root.iterdir() if path.name.startswith(".")]
            if (root.is_dir())
            else []
        )

    @property
    def layers(self) -> list[str]:
        root = self.store.root / "layers"
        return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


@dataclass(frozen=True)
class Made:
    """A layout, and the layer that tests do something to."""

    layout: Path
    digest: str
    content: bytes


def image(
    directory: Path, *, size: int = 300_000, text: str = "1", architecture: str = "amd64"
) -> Made:
    """One layer with a file `name` of a text, and a large file that no one can compress."""
    writer = oci.LayoutWriter(directory, architecture=architecture, config={"Env": [f"A={text}"]})
    archive = oci.tar(oci.member("name", text.encode()), oci.member("big", os.urandom(size)))
    descriptor = writer.layer(archive, Compression.GZIP)
    layout = writer.index(writer.manifest(descriptor))
    digest = str(descriptor["digest"])
    blob = layout / "blobs" / "sha256" / digest.removeprefix("sha256:")
    return Made(layout=layout, digest=digest, content=blob.read_bytes())


def read(root: RootFilesystem, name: str) -> bytes:
    words = [find_program("rdsquashfs"), "--cat", name, root.path]
    return subprocess.run(words, check=True, capture_output=True).stdout
