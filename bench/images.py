# SPDX-License-Identifier: Apache-2.0
"""An image of 600 MB and more to its root filesystem, beside `tar2sqfs` on one plain tar of it.

`python -m bench.images`: the base image's layout of `make image-base`, its layers as they are,
as gzip and as zstd; then pulled from docker-registry on the loopback, download and conversion.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from bbox_server.domain.image import PullPolicy, parse_reference
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.images.layer_files import LayerFiles
from bbox_server.infra.images.layout import OciLayout
from bbox_server.infra.images.manifest import Compression
from bbox_server.infra.images.merge import Merger
from bbox_server.infra.images.registry.endpoints import RegistriesConf
from bbox_server.infra.images.registry.pull import Registries
from bbox_server.infra.images.store import SquashfsImageStore, host_architecture
from bbox_server.infra.process.programs import find_program
from tests.infra.images import oci
from tests.infra.images.registry.real_registry import RealRegistry, serve

LAYOUT: Final = Path("build/images/base")
GOAL_S: Final = 10.0
MB: Final = 1_000_000
PROGRAMS: Final = {Compression.GZIP: ("gzip", "-n"), Compression.ZSTD: ("zstd", "-q")}


def plain_layers() -> list[Path]:
    """The tars of the base image."""
    if not (LAYOUT / "index.json").is_file():
        raise SystemExit("there is no build/images/base: make image-base")
    return [layer.path for layer in OciLayout(root=LAYOUT).image(host_architecture()).layers]


def layout_of(layers: list[Path], directory: Path, compression: Compression) -> Path:
    """A layout of the same layers, stored otherwise."""
    writer = oci.LayoutWriter(directory, architecture=host_architecture())
    media = f"{oci.LAYER}+{compression}" if compression else oci.LAYER
    described = [
        {"mediaType": media, **writer.blob(packed(layer, compression))} for layer in layers
    ]
    return writer.index(writer.manifest(*described))


def packed(layer: Path, compression: Compression) -> bytes:
    if not compression:
        return layer.read_bytes()
    program, *options = PROGRAMS[compression]
    words = [find_program(program), *options, "-c", str(layer)]
    return subprocess.run(words, check=True, capture_output=True).stdout


def tar2sqfs_alone(layout: Path, scratch: Path) -> float:
    """Seconds for the archive that the merger makes, from a file."""
    archive, target = scratch / "merged.tar", scratch / "alone.sqfs"
    with archive.open("wb") as output:
        Merger(layers=OciLayout(root=layout).image(host_architecture()).layers).merge(output.write)
    options = ("-q", "-s", "-f", "-c", "zstd", "-X", "level=3", "-j", "2")
    started = time.monotonic()
    with archive.open("rb") as reading:
        words = [find_program("tar2sqfs"), *options, str(target)]
        subprocess.run(words, stdin=reading, check=True)
    took = time.monotonic() - started
    archive.unlink()
    return took


def conversion(layout: Path, scratch: Path) -> float:
    """Seconds from the layout to the root filesystem in the store."""
    store = SquashfsImageStore(root=scratch / "store")
    started = time.monotonic()
    asyncio.run(store.import_layout(HostPath(str(layout))))
    return time.monotonic() - started


def pull(registry: RealRegistry, scratch: Path) -> tuple[float, float]:
    """Seconds from nothing to the root filesystem, and of that the download."""
    environ = {"HOME": str(scratch)}
    downloaded: list[float] = []
    started = time.monotonic()

    def heard(text: str) -> None:
        if not downloaded and text.startswith("Unpacking"):
            downloaded.append(time.monotonic() - started)

    store = SquashfsImageStore(
        root=scratch / "pulled",
        registries=Registries(
            layers=LayerFiles(root=scratch / "pulled" / "layers"),
            environ=environ,
            conf=RegistriesConf(environ=environ, system=scratch),
        ),
        progress=heard,
    )
    reference = parse_reference(f"{registry.address}/base")
    asyncio.run(store.resolve(reference, PullPolicy.ALWAYS))
    return time.monotonic() - started, downloaded[0] if downloaded else 0.0


def main() -> None:
    """Print seconds, and how they compare."""
    layers = plain_layers()
    size = sum(layer.stat().st_size for layer in layers)
    print(f"image: {size / MB:.0f} MB in {len(layers)} layers, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="bbox-bench-", dir="/var/tmp") as name:
        root = Path(name)
        alone = 0.0
        for compression in Compression:
            scratch = root / (compression or "plain")
            scratch.mkdir()
            layout = layout_of(layers, scratch / "layout", compression)
            alone = alone or tar2sqfs_alone(layout, scratch)
            took = conversion(layout, scratch)
            label = f"layers stored {compression or 'plain'}"
            print(f"{label:24} {took:7.2f} s   {took / alone:5.2f} x tar2sqfs   (<= {GOAL_S} s)")
            if compression is Compression.GZIP:
                with serve(scratch) as registry:
                    registry.push("base", layout)
                    whole, download = pull(registry, scratch)
                print(f"{'the same, pulled':24} {whole:7.2f} s   of it {download:.1f} s download")
        print(f"{'tar2sqfs alone':24} {alone:7.2f} s")


if __name__ == "__main__":
    main()
