# SPDX-License-Identifier: Apache-2.0
"""The options of `bbox network`."""

from argparse import ArgumentParser
from typing import Final

ACTIONS: Final = ("log", "allow", "deny", "rules")
LEARN: Final = "learn"
"""A run of its own kind, with a run's options."""


def add_network_options(parser: ArgumentParser) -> None:
    """The options of `bbox network`."""
    parser.epilog = (
        f"`bbox network {LEARN} AGENT` runs it in permissive and tells which hosts it took."
    )
    parser.add_argument("action", choices=ACTIONS, help="show what happened; allow; deny; show")
    parser.add_argument(
        "words",
        metavar="[SESSION] HOST[:PORT]",
        nargs="*",
        help="its id (default: the newest one of this directory), then hosts to allow or deny",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--once", action="store_true", help="for a minute, instead of until the session ends"
    )
    length.add_argument(
        "--always", action="store_true", help="in later sessions too: it goes to your config"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
