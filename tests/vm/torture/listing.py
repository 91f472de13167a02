# SPDX-License-Identifier: Apache-2.0
"""What a directory holds, told the same way on the host and in the guest.

It runs in the guest as `python3 -c`, so it needs no module of ours; stdlib of Python 3.11 only.
"""

import hashlib
import json
import os
import stat
import sys

Seen = tuple[str, str, bool]
"""Kind, content (a file's SHA-256, a link's target), and whether its owner may execute it."""


def list_tree(root: str) -> dict[str, Seen]:
    """Every path below a directory; bytes that are no UTF-8 are surrogate-escaped."""
    found: dict[str, Seen] = {}
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(os.path.join(root, directory)) as entries:  # noqa: PTH118 - bytes stay
            for entry in entries:
                path = f"{directory}/{entry.name}" if directory else entry.name
                found[path] = describe(entry.path)
                if found[path][0] == "directory":
                    pending.append(path)
    return found


def describe(path: str) -> Seen:
    """One path, without following it."""
    mode = os.lstat(path).st_mode
    if stat.S_ISREG(mode):
        return ("file", digest(path), bool(mode & stat.S_IXUSR))
    if stat.S_ISLNK(mode):
        return ("link", os.readlink(path), False)  # noqa: PTH115 - a Path would normalize it
    return ("directory" if stat.S_ISDIR(mode) else "special", "", False)


def digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:  # noqa: PTH123 - no pathlib in the guest's start-up time
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list_tree(sys.argv[1])) + "\n")
