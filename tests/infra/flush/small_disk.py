# SPDX-License-Identifier: Apache-2.0
"""Flushes to a file system that is really full. Run in a mount namespace of its own:

    python -m tests.infra.flush.small_disk DIRECTORY

It prints the results as JSON.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.infra.flush.ground import Contents, Ground, file, wanted


async def flush(directory: Path) -> dict[str, str]:
    ground = Ground(workspace=directory / "workspace", session=directory / "session")
    for name in ("before", "small"):
        (ground.workspace / name).write_bytes(b"old\n")
    contents = Contents()
    items = (
        wanted("before", file(b"old\n"), contents.add(b"new\n")),
        wanted("large", None, contents.add(b"x" * (1 << 20))),
        wanted("small", file(b"old\n"), contents.add(b"new\n")),
    )
    report = await ground.flush(items, contents)
    left = sorted(path.name for path in ground.workspace.iterdir())
    return {str(r.path): f"{r.result} {r.detail}".strip() for r in report.results} | {
        "files": " ".join(left)
    }


def main() -> None:
    directory = Path(sys.argv[1])
    for name in ("workspace", "session"):
        (directory / name).mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "small", str(directory / "workspace")]
    subprocess.run(mount, check=True)
    json.dump(asyncio.run(flush(directory)), sys.stdout)


if __name__ == "__main__":
    main()
