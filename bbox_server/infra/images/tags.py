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
class Tag:
    """What a name stands for.

    Attributes:
        is_pulled: It is what a registry said; a name that was given here is a build's.
        asked_s: When the registry was asked last, since the epoch.
    """

    reference: ImageReference
    digest: Digest
    is_pulled: bool = False
    asked_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """A directory of names. A file that can't be read is as good as none."""

    root: Path

    def find(self, reference: ImageReference) -> Tag | None:
        """What the name stands for."""
        return _read(self._path(reference))

    def set(self, tag: Tag) -> None:
        """Let the name stand for an image from now on, for all processes at once."""
        self.root.mkdir(parents=True, exist_ok=True)
        content = {
            "reference": str(tag.reference),
            "digest": tag.digest,
            "pulled": "yes" if tag.is_pulled else "",
            "asked": tag.asked_s,
        }
        replace_file(self._path(tag.reference), (json.dumps(content) + "\n").encode())

    def remove(self, reference: ImageReference) -> None:
        """Let the name stand for nothing."""
        self._path(reference).unlink(missing_ok=True)

    def all(self) -> Iterator[Tag]:
        """Every name, in no order."""
        if self.root.is_dir():
            for path in self.root.iterdir():
                found = _read(path)
                if found is not None:
                    yield found

    def _path(self, reference: ImageReference) -> Path:
        # A reference has slashes and may be longer than a file's name.
        return self.root / f"{hashlib.sha256(str(reference).encode()).hexdigest()}.json"


def _read(path: Path) -> Tag | None:
    try:
        document = JsonObject.parse(path.read_bytes(), where="a tag")
        reference = parse_reference(document.text("reference"))
        digest = document.text("digest")
        # Files of the first version have neither of both.
        asked_s = document.size("asked") if "asked" in document.members else 0
        pulled = document.text("pulled")
    except (OSError, BboxError):
        return None
    if not _DIGEST.fullmatch(digest):
        return None
    return Tag(
        reference=reference, digest=Digest(digest), is_pulled=pulled == "yes", asked_s=asked_s
    )
