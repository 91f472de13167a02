# SPDX-License-Identifier: Apache-2.0
"""Which image a name stands for on this machine: one small file a name."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.image import ImageReference, parse_reference
from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.files import replace_file
from bbox_server.infra.images.json_value import JsonObject

_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """A directory of names. A file that can't be read is as good as none."""

    root: Path

    def digest(self, reference: ImageReference) -> Digest | None:
        """What the name stands for."""
        found = _read(self._path(reference))
        return found[1] if found is not None else None

    def set(self, reference: ImageReference, digest: Digest) -> None:
        """Let the name stand for an image from now on, for all processes at once."""
        self.root.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"reference": str(reference), "digest": digest}) + "\n"
        replace_file(self._path(reference), content.encode())

    def all(self) -> Iterator[tuple[ImageReference, Digest]]:
        """Every name, in no order."""
        if self.root.is_dir():
            for path in self.root.iterdir():
                found = _read(path)
                if found is not None:
                    yield found

    def _path(self, reference: ImageReference) -> Path:
        # A reference has slashes and may be longer than a file's name.
        return self.root / f"{hashlib.sha256(str(reference).encode()).hexdigest()}.json"


def _read(path: Path) -> tuple[ImageReference, Digest] | None:
    try:
        document = JsonObject.parse(path.read_bytes(), where="a tag")
        reference = parse_reference(document.text("reference"))
        digest = document.text("digest")
    except (OSError, BboxError):
        return None
    return (reference, Digest(digest)) if _DIGEST.fullmatch(digest) else None
