# SPDX-License-Identifier: Apache-2.0
"""The options of `bbox config` and `bbox trust`."""

from argparse import ArgumentParser
from typing import Final

CONFIG_ACTIONS: Final = {
    "init": "write your config file, every key explained and commented out",
    "path": "where your config file is, and the workspace's",
    "show": "what holds here: built-in, yours and the workspace's",
    "validate": "check both files; 1 where something is wrong",
}


def add_config_commands(parser: ArgumentParser) -> None:
    """`bbox config ACTION`."""
    lines = ", ".join(f"{name}: {text}" for name, text in CONFIG_ACTIONS.items())
    parser.add_argument("action", choices=tuple(CONFIG_ACTIONS), help=lines)
    _add_places(parser)
    parser.add_argument("-f", "--force", action="store_true", help="init: replace the file")
    parser.add_argument("--origin", action="store_true", help="show: where each value stands")
    parser.add_argument("--json", action="store_true", help="for machines")


def add_trust_options(parser: ArgumentParser) -> None:
    """`bbox trust`."""
    _add_places(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--revoke", action="store_true", help="forget what was said of this workspace's files"
    )


def _add_places(parser: ArgumentParser) -> None:
    parser.add_argument("--workspace", metavar="DIR", help="the directory (default: this one)")
    parser.add_argument(
        "--config", metavar="FILE", help="your config file, instead of the usual one"
    )
