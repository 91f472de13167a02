# SPDX-License-Identifier: Apache-2.0
"""Layers of an image to one tar stream, for `tar2sqfs`.

Twice over the layers: first all headers, for what is left in the end, then the content of that.
The same image gives the same bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bbox_server.infra.images import tar_writer
from bbox_server.infra.images.entry import PATH_LIMIT_BYTES, Entry, Limits
from bbox_server.infra.images.faults import corrupt
from bbox_server.infra.images.manifest import Layer
from bbox_server.infra.images.reader import Copying, DigestingFile, LayerStream, decompressed
from bbox_server.infra.images.tar_reader import read_entries
from bbox_server.infra.images.tree import MergedTree, Origin

Write = Callable[[bytes], object]

_ROOT: Final = b"."


@dataclass(slots=True)
class _Budget:
    """What is left of the limits."""

    total_bytes: int
    entries: int
    metadata_bytes: int

    def spend(self, metadata_bytes: int) -> None:
        self.entries -= 1
        self.metadata_bytes -= metadata_bytes
        if self.entries < 0 or self.metadata_bytes < 0:
            raise corrupt("The image has more files, or longer names, than an image may have.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """Merges the layers of one image.

    Attributes:
        layers: The lowest first.
        spool: Where decompressed layers wait for the second time; None decompresses twice.
        cancelled: Asked all the time; True ends the merge with `Cancelled`.
        advanced: Told of each blob's bytes that were read; most are read twice.
    """

    layers: tuple[Layer, ...]
    limits: Limits = field(default_factory=Limits)
    spool: Path | None = None
    cancelled: Callable[[], bool] = lambda: False
    advanced: Callable[[int], None] = lambda _: None

    def merge(self, write: Write) -> int:
        """Write the whole archive; returns how many entries it has.

        Raises:
            BboxError: image.corrupt, image.unsupported; then what was written is worthless.
        """
        names: dict[Origin, list[bytes]] = {}
        budget = self._budget()
        count = 0
        for path, node in self._read_tree().walk():
            budget.spend(len(path))
            count += 1
            if len(path) > PATH_LIMIT_BYTES:
                raise corrupt("The image has a path that is longer than Linux allows.")
            if node.origin is None:
                write(tar_writer.header(node.entry, path or _ROOT))
            else:
                names.setdefault(node.origin, []).append(path)
        self._write_files(names, write)
        for paths in names.values():
            for path in paths[1:]:
                write(tar_writer.link_header(path, paths[0]))
        write(tar_writer.END)
        return count

    def _budget(self) -> _Budget:
        return _Budget(
            total_bytes=self.limits.total_bytes,
            entries=self.limits.entries,
            metadata_bytes=self.limits.metadata_bytes,
        )

    def _read_tree(self) -> MergedTree:
        tree = MergedTree()
        budget = self._budget()
        for index, layer in enumerate(self.layers):
            with self._opened(layer, budget.total_bytes, self._spooled(index, layer)) as stream:
                for ordinal, entry in enumerate(read_entries(stream)):
                    budget.spend(entry.metadata_bytes)
                    tree.add(entry, (index, ordinal))
                stream.drain()
                budget.total_bytes = stream.left_bytes
        return tree

    def _write_files(self, names: dict[Origin, list[bytes]], write: Write) -> None:
        for index, layer in enumerate(self.layers):
            if not any(origin[0] == index for origin in names):
                continue
            with self._again(index, layer) as stream:
                for ordinal, entry in enumerate(read_entries(stream)):
                    paths = names.get((index, ordinal))
                    if paths is not None:
                        _write_file(entry, paths[0], stream, write)

    def _spooled(self, index: int, layer: Layer) -> Path | None:
        """Reading a file again is several times as fast as decompressing again."""
        return self.spool / f"layer-{index}.tar" if self.spool and layer.compression else None

    @contextmanager
    def _opened(
        self, layer: Layer, limit_bytes: int, copy: Path | None = None
    ) -> Iterator[LayerStream]:
        with ExitStack() as stack:
            blob = stack.enter_context(DigestingFile(layer.path, self.cancelled, self.advanced))
            source = decompressed(blob, layer.compression)
            if copy is not None:
                source = Copying(source, stack.enter_context(copy.open("xb", buffering=0)))
            yield LayerStream(source, limit_bytes=limit_bytes)
            blob.check(layer.digest)

    @contextmanager
    def _again(self, index: int, layer: Layer) -> Iterator[LayerStream]:
        copy = self._spooled(index, layer)
        if copy is None:
            with self._opened(layer, self.limits.total_bytes) as stream:
                yield stream
            return
        # Ours alone, and made of what was verified.
        with DigestingFile(copy, self.cancelled, lambda _: None) as tar:
            yield LayerStream(tar, limit_bytes=self.limits.total_bytes)
        self.advanced(layer.path.stat().st_size)
        copy.unlink()


def _write_file(entry: Entry, name: bytes, stream: LayerStream, write: Write) -> None:
    write(tar_writer.header(entry, name))
    while chunk := stream.content():
        write(chunk)
    write(tar_writer.padding(entry.size_bytes))
