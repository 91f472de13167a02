# SPDX-License-Identifier: Apache-2.0
"""`bbox cache`: the images on this machine (compat CLI-60)."""

import json
import time
from argparse import Namespace
from typing import Final

from bbox_server.application.tend_cache import Freed, TendCache
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_line
from bbox_server.domain.image import StoredImage
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services

SHORT_DIGEST: Final = 12
STEP: Final = 1024
UNITS: Final = ("KB", "MB", "GB")
AGES: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))
ORPHAN: Final = "(orphan)"


async def cache(values: Namespace, services: Services, console: Console) -> int:
    """List images, or make room."""
    tend = services.cache()
    match values.action:
        case "list":
            return await _list(values, tend, console)
        case "gc" if values.dry_run:
            return _tell(Freed(images=await tend.plan()), "Would remove", values, console)
        case "gc":
            return _tell(await tend.collect(), "Removed", values, console)
        case "clean":
            return _tell(await tend.clean(), "Removed", values, console)
        case _:
            return await _purge(values, tend, console)


async def _purge(values: Namespace, tend: TendCache, console: Console) -> int:
    if not values.force:
        if values.json or not console.interactive:
            raise BboxError(
                ErrorCode.CLI_USAGE,
                cause="`bbox cache purge` removes every image, and nobody is there to be asked.",
                remediation="Give --force.",
            )
        answer = console.ask("Remove every image, also those built here? [y/N] ")
        if (answer or "").lower() != "y":
            console.say("Aborted")
            return 0
    return _tell(await tend.purge(), "Removed", values, console)


async def _list(values: Namespace, tend: TendCache, console: Console) -> int:
    images, layers = await tend.list(), tend.layers.size_bytes()
    roots = sum(image.size_bytes for image in images)
    if values.json:
        rows = {"images": [_fields(image) for image in images], "layersBytes": layers}
        console.say(json.dumps(rows, indent=2))
        return 0
    if not images and not layers:
        console.say("No cached images")
        return 0
    console.say(f"{'DIGEST':<13} {'SIZE':>10}  {'LAST USED':<15} IMAGE")
    for image in images:
        digest, size = image.root.digest[:SHORT_DIGEST], cache_size(image.size_bytes)
        console.say(f"{digest:<13} {size:>10}  {age(image.used_ns):<15} {_names(image)}")
    console.say()
    console.say(
        f"Entries: {len(images)}   Rootfs: {cache_size(roots)}   Layers: {cache_size(layers)}   "
        f"Total: {cache_size(roots + layers)}"
    )
    return 0


def _tell(freed: Freed, verb: str, values: Namespace, console: Console) -> int:
    if values.json:
        rows = {
            "images": [_fields(image) for image in freed.images],
            "layersBytes": freed.layers_bytes,
            "removed": verb == "Removed",
        }
        console.say(json.dumps(rows, indent=2))
        return 0
    for image in freed.images:
        console.say(f"{verb} {image.root.digest[:SHORT_DIGEST]}  {_names(image)}")
    count = len(freed.images)
    images = f"{count} image{'' if count == 1 else 's'}"
    console.say(f"{verb} {images} and {cache_size(freed.layers_bytes)} of layers: "
                f"{cache_size(freed.size_bytes)} in all")  # fmt: skip
    return 0


def _names(image: StoredImage) -> str:
    if not image.references:
        return ORPHAN
    more = len(image.references) - 1
    built = " (built here)" if image.is_built else ""
    return escape_line(str(image.references[0])) + (f" (+{more} more)" if more else "") + built


def _fields(image: StoredImage) -> dict[str, object]:
    return {
        "digest": f"sha256:{image.root.digest}",
        "sizeBytes": image.size_bytes,
        "lastUsed": image.used_ns / 1e9,
        "references": [str(reference) for reference in image.references],
        "built": image.is_built,
    }


def cache_size(count: int) -> str:
    """A size as brood-box writes it."""
    size, unit = float(count), "B"
    for larger in UNITS:
        if size < STEP:
            break
        size, unit = size / STEP, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def age(then_ns: int) -> str:
    """How long ago it was, for people."""
    seconds = int(time.time() - then_ns / 1e9)
    for length, name in AGES:
        count = seconds // length
        if count >= 1:
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"
