# SPDX-License-Identifier: Apache-2.0
"""Packages from npm's registry, by the machine's own npm client."""

import base64
import hashlib
import json
import shutil
import sys
import tarfile
from pathlib import Path, PurePosixPath

from images.command import call
from images.pins import BuildError, NpmPin


def fetch(pin: NpmPin, cache: Path) -> Path:
    """The package's archive, downloaded if it isn't in the cache, verified in any case."""
    algorithm, _, expected = pin.integrity.partition("-")
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"{hashlib.sha256(pin.integrity.encode()).hexdigest()}.tgz"
    if not archive.is_file():
        _pack(pin, archive)
    digest = hashlib.new(algorithm, archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != expected:
        archive.unlink()
        raise BuildError(f"{pin.name} is not what images/pins.yaml says (it was removed).")
    return archive


def extract(archive: Path, taken: dict[str, str], target: Path) -> None:
    """Unpack files of an archive: those at or below a key, at or below its value in `target`."""
    found = set()
    with tarfile.open(archive) as package:
        for member in package:
            for prefix, place in taken.items():
                path = PurePosixPath(member.name)
                if not (member.isfile() and path.is_relative_to(prefix)):
                    continue
                found.add(prefix)
                _write(package, member, target / place / path.relative_to(prefix))
    if missing := set(taken) - found:
        raise BuildError(f"{archive.name} has no {', '.join(sorted(missing))}.")


def npm_program() -> Path:
    """The environment's npm, beside its Python; its own settings say where the registry is."""
    beside = Path(sys.executable).with_name("npm")
    return beside if beside.is_file() else Path("npm")


def _pack(pin: NpmPin, archive: Path) -> None:
    work = archive.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    said = call(npm_program(), "pack", pin.name, "--json", "--pack-destination", work, cwd=work)
    (packed,) = json.loads(said)
    (work / str(packed["filename"])).replace(archive)
    shutil.rmtree(work)


def _write(package: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = package.extractfile(member)
    if source is None:
        raise BuildError(f"{member.name} can't be read.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)
