# SPDX-License-Identifier: Apache-2.0
"""Builds the guest system: `python -m guest.build {fetch,build,pins}`."""

import argparse
import sys
from pathlib import Path

from guest.apt import FetchedPackage, FetchError, fetch, newest
from guest.deb import PackageError
from guest.elf import ElfError
from guest.kernel import KernelError
from guest.layout import SERIES, LayoutError
from guest.output import build
from guest.pins import PinError, format_pins, parse_pins

_LOCK = Path(__file__).with_name("pins.lock")


def main(argv: list[str]) -> int:
    """Run one command; the result goes to standard output, everything else to standard error."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except (ElfError, FetchError, KernelError, LayoutError, PackageError, PinError) as error:
        _say(str(error))
    except OSError as error:
        _say(f"{error.filename or 'disk'}: {error.strerror}")
    return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "pins":
        _LOCK.write_text(format_pins(newest(series) for series in SERIES))
        print(_LOCK)
        return 0
    packages = _fetch(arguments.packages)
    if arguments.command == "build":
        print(build(packages, arguments.output))
    return 0


def _fetch(cache: Path) -> list[FetchedPackage]:
    return fetch(parse_pins(_LOCK.read_text()), cache, _say)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m guest.build", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pins", help="write the newest packages into guest/pins.lock")
    download = commands.add_parser("fetch", help="download the pinned packages")
    compose = commands.add_parser("build", help="fetch, then build into OUTPUT/DIGEST")
    for command in (download, compose):
        command.add_argument("--packages", type=Path, required=True, help="directory of packages")
    compose.add_argument("--output", type=Path, required=True, help="directory of built guests")
    return parser


def _say(text: str) -> None:
    print(f"guest: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
