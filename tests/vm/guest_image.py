# SPDX-License-Identifier: Apache-2.0
"""Small root filesystems for guests of tests."""

import io
import re
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.vm.guest_host import run

BUSYBOX = Path("/bin/busybox").read_bytes()


def make_image(target: Path, files: Mapping[str, bytes | str]) -> Path:
    """A squashfs of root's files.

    A text is a symlink's target, bytes are an executable, a name that ends with a slash is a
    directory, one that begins with `+` is setuid.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.strip("/+"))
            entry.mode = 0o4755 if name.startswith("+") else 0o755
            if name.endswith("/"):
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    run("tar2sqfs", "-q", "-f", "-c", "gzip", str(target), stdin=archive.getvalue())
    target.chmod(0o644)
    return target


def busybox_files() -> dict[str, bytes | str]:
    """Busybox under all of its names, with a shell."""
    names = subprocess.run(
        ["/bin/busybox", "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    links = {f"bin/{name}": "busybox" for name in names if name != "busybox"}
    return {"bin/": b"", "bin/busybox": BUSYBOX, **links}


def program_files(program: str) -> dict[str, bytes | str]:
    """A program of this machine with its libraries."""
    listed = subprocess.run(
        ["/usr/bin/ldd", program], capture_output=True, text=True, check=True
    ).stdout
    libraries = re.findall(r"(/\S+) \(0x", listed)
    return {path.lstrip("/"): Path(path).resolve().read_bytes() for path in (program, *libraries)}
