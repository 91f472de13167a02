# SPDX-License-Identifier: Apache-2.0
# The hosts that package clients on this machine talk to: as configured, and by default. They are
# asked for, so that no file of the project has to name one.
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.unit.tracked_files import ROOT, output_of

_PIP_DEFAULTS: Final = """
from pip._internal.models.index import PyPI
print("https://" + PyPI.netloc, "https://" + PyPI.file_storage_domain)
"""
_URL_HOST: Final = re.compile(r"https?://(?:[^/@\s]*@)?([\w-]+(?:\.[\w-]+)+)")


def registry_hosts() -> frozenset[str]:
    """Of pip, npm and apt."""
    return frozenset(_URL_HOST.findall(f"{_pip()}\n{_npm()}\n{_apt()}"))


def _pip() -> str:
    python = ROOT / ".cache/uv/bin/python"
    return output_of((python, "-c", _PIP_DEFAULTS)) + output_of(
        (python, "-m", "pip", "config", "list")
    )


def _npm() -> str:
    ask = (ROOT / ".venv/bin/npm", "config", "get", "registry")
    with TemporaryDirectory() as home:  # npm writes there
        nobody = {"HOME": home, "PATH": f"{ROOT}/.venv/bin:/usr/bin:/bin"}
        return output_of(ask) + output_of(ask, nobody)


def _apt() -> str:
    directory = Path("/etc/apt")
    files = (*directory.glob("sources.list"), *directory.glob("sources.list.d/*"))
    lines = "\n".join(file.read_text() for file in files).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
