# SPDX-License-Identifier: Apache-2.0
"""`bbox agents ACTION` (compat CLI-40 to CLI-47)."""

from argparse import ArgumentParser
from typing import Final

AGENT_ACTIONS: Final = {
    "list": "the agents there are",
    "inspect": "all of one agent, and where it is set",
    "doctor": "what keeps an agent from running",
    "init": "show a stanza to begin with; nothing is written",
    "add": "write an agent of your own into your config",
    "import": "the same, from a file",
    "export": "an agent of your own as such a file",
}


def add_agents_command(parser: ArgumentParser) -> None:
    """The actions and their options."""
    lines = ", ".join(f"{name}: {text}" for name, text in AGENT_ACTIONS.items())
    parser.add_argument("action", choices=tuple(AGENT_ACTIONS), help=lines)
    parser.add_argument("name", nargs="?", help="an agent's; import: the file")
    parser.add_argument(
        "--config", metavar="FILE", help="your config file, instead of the usual one"
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="add, import: replace what is there"
    )
    parser.add_argument("--name", dest="other", metavar="NAME", help="import: under another name")
    new = parser.add_argument_group("add")
    new.add_argument("--image", metavar="REF", help="the image")
    new.add_argument(
        "--command",
        dest="words",
        action="append",
        metavar="WORD",
        help="a word of the command, as often as needed; one that begins with -: --command=-x",
    )
    new.add_argument("--description", metavar="TEXT", help="one line for lists")
    new.add_argument(
        "--env", action="append", metavar="PATTERN", help="forward variables of this machine"
    )
    new.add_argument(
        "--env-required", action="append", metavar="NAME", help="a variable that must be set"
    )
    new.add_argument("--cpus", type=int, metavar="N", help="virtual CPUs")
    new.add_argument("--memory", metavar="SIZE", help="memory, as 4g")
    new.add_argument("--tmp-size", metavar="SIZE", help="temporary files in memory, up to this")
    new.add_argument(
        "--egress-profile", choices=("permissive", "standard", "locked"), help="network profile"
    )
    new.add_argument(
        "--allow-host",
        action="append",
        metavar="HOST[:PORT]",
        help="a host that it may reach in its profile",
    )
