# SPDX-License-Identifier: Apache-2.0
"""The command line, parsed into values."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.entrypoints.cli.agents_arguments import add_agents_command
from bbox_server.entrypoints.cli.config_arguments import add_config_commands, add_trust_options
from bbox_server.entrypoints.cli.network_arguments import LEARN, add_network_options

COMMANDS: Final = (
    "run",
    "run-image",
    "attach",
    "stop",
    "review",
    "diff",
    "flush",
    "undo",
    "discard",
    "sessions",
    "logs",
    "network",
    "config",
    "trust",
    "list",
    "agents",
    "auth",
    "cache",
    "doctor",
    "why",
    "help",
)
RUNS: Final = frozenset({"run", "run-image"})
JSON_COMMANDS: Final = (
    *(
        "review",
        "flush",
        "undo",
        "sessions",
        "list",
        "agents",
        "auth",
        "cache",
        "doctor",
        "diff",
        "why",
    ),
)
PROGRESS_MODES: Final = ("spinner", "simple", "log", "json", "none")
PULL_POLICIES: Final = ("always", "background", "if-not-present", "never")
EGRESS_PROFILES: Final = ("permissive", "standard", "locked")

EPILOG: Final = """\
examples:
  bbox codex                        run Codex on a snapshot of this directory
  bbox codex -- exec "fix the bug"  the same, with arguments for the agent
  bbox run-image debian -- bash     run any command in any image
  bbox review                       decide on what the newest session changed here
  bbox doctor                       what is missing on this machine, and how to get it
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong once, as an error of ours, without the usage (compat CLI-02).

    An option is written in full: the next version may have two that begin alike.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (argparse's own)
        super().__init__(allow_abbrev=False, **settings)

    @override
    def error(self, message: str) -> NoReturn:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"{message[:1].upper()}{message[1:]}.",
            remediation=f"`{self.prog} --help` shows what is possible.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """A parsed command line: the command's name, its values, and what stood after `--`."""

    command: str
    values: argparse.Namespace


def parse(argv: Sequence[str], version: Callable[[], str]) -> CommandLine:
    """Parse `bbox …`. Raises: cli.usage; SystemExit after --help and --version."""
    head, tail = _split(argv)
    command = head[0] if head else "help"
    if command in {"help", "-h", "--help", "--version"}:
        _root_parser(version()).parse_args(["--version" if command == "--version" else "--help"])
    if command == "network" and head[1:2] == [LEARN]:
        values = _learn_parser().parse_intermixed_args(list(head[2:]))
        return CommandLine(command="run", values=_with_tail(values, "run", tail))
    if command in COMMANDS:
        values = _command_parsers()[command].parse_intermixed_args(list(head[1:]))
        return CommandLine(command=command, values=_with_tail(values, command, tail))
    values = _run_parser("bbox").parse_intermixed_args(list(head))
    return CommandLine(command="run", values=_with_tail(values, "run", tail))


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if "--" not in argv:
        return argv, ()
    position = list(argv).index("--")
    return argv[:position], argv[position + 1 :]


def _with_tail(values: argparse.Namespace, command: str, tail: Sequence[str]) -> argparse.Namespace:
    if command in RUNS:
        values.args = [*values.args, *tail]
    elif tail:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"`bbox {command}` takes nothing after `--`.",
            remediation=f"`bbox {command} --help` shows what is possible.",
        )
    return values


def _root_parser(version: str) -> Parser:
    parser = Parser(
        prog="bbox",
        description="Run a coding agent in a microVM on a snapshot of this directory; "
        "nothing reaches the directory before you accept it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="bbox AGENT [options] [-- ARGS]\n       bbox COMMAND [options]",
    )
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument(
        "command",
        metavar="AGENT | COMMAND",
        nargs="?",
        help=f"an agent (`bbox list`), or one of: {', '.join(COMMANDS)}",
    )
    return parser


def _run_parser(prog: str) -> Parser:
    parser = Parser(
        prog=prog,
        description="Run an agent, or any command in any image, in a microVM.",
        usage=f"{prog} AGENT [options] [-- ARGS]\n       bbox run --image REF [options] -- CMD",
    )
    parser.add_argument("agent", metavar="AGENT", nargs="?", help="name of an agent: `bbox list`")
    parser.add_argument("args", metavar="ARGS", nargs="*", help="arguments for the agent")
    _add_machine_options(parser)
    _add_image_options(parser)
    _add_policy_options(parser)
    _add_login_options(parser)
    _add_review_options(parser)
    _add_shown_options(parser)
    return parser


def _run_image_parser() -> Parser:
    """What the image's own command is run with: no agent, so no login and no settings."""
    parser = Parser(
        prog="bbox run-image",
        description="Run a command, or the image's own one, in any image, in a microVM.",
        usage="bbox run-image IMAGE [options] [-- CMD]",
    )
    parser.add_argument("image", metavar="IMAGE", help="NAME[:TAG], oci:DIR or docker-archive:FILE")
    parser.add_argument("--name", help="of the session (default: from the image's name)")
    parser.set_defaults(
        agent=None,
        args=[],
        exec=None,
        no_settings=True,
        save_login=False,
        seed_login=False,
        log_in=False,
        ask=False,
    )
    _add_guest_options(parser)
    _add_image_options(parser)
    _add_policy_options(parser)
    _add_review_options(parser)
    _add_shown_options(parser)
    return parser


def _add_shown_options(parser: Parser) -> None:
    _add_options_without_effect(parser)
    parser.add_argument(
        "--progress",
        choices=PROGRESS_MODES,
        help="how to show it (default: a spinner on a terminal, simple lines elsewhere)",
    )
    parser.add_argument("--timings", action="store_true", help="show how long each phase took")
    parser.add_argument(
        "--trace", action="store_true", help="write trace.json (OpenTelemetry) beside the logs"
    )
    parser.add_argument("--json", action="store_true", help="the outcome as a last line of JSON")
    parser.set_defaults(learn=False)


def _learn_parser() -> Parser:
    parser = _run_parser(f"bbox network {LEARN}")
    parser.description = (
        "Run as `bbox run` does, in permissive, and write down which hosts it took."
    )
    parser.usage = f"bbox network {LEARN} AGENT [options] [-- ARGS]"
    parser.add_argument(
        "--keep", action="store_true", help="put them into your config without asking"
    )
    parser.set_defaults(learn=True)
    return parser


def _add_machine_options(parser: Parser) -> None:
    parser.add_argument("--image", metavar="REF", help="root filesystem instead of the agent's")
    parser.add_argument("--exec", metavar="CMD", help="run this word instead of the agent")
    parser.add_argument(
        "--no-settings", action="store_true", help="do not carry your settings of the agent"
    )
    parser.add_argument(
        "--ask", action="store_true", help="leave the agent's own approvals on (default: off)"
    )
    _add_guest_options(parser)


def _add_guest_options(parser: Parser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="your config file, instead of the usual one"
    )
    parser.add_argument("--workspace", metavar="DIR", help="the directory (default: this one)")
    parser.add_argument(
        "--workspace-mode",
        choices=["snapshot", "direct"],
        help="direct: the agent writes to the directory itself, nothing is reviewed",
    )
    parser.add_argument(
        "--yes", action="store_true", help="acknowledge direct mode for this directory"
    )
    parser.add_argument("--cpus", type=int, default=0, metavar="N", help="virtual CPUs")
    parser.add_argument("--memory", metavar="SIZE", default="", help="memory, such as 4g")
    parser.add_argument(
        "--tmp-size", metavar="SIZE", default="", help="keep temporary files in memory, up to this"
    )


def _add_image_options(parser: Parser) -> None:
    parser.add_argument(
        "--pull",
        choices=PULL_POLICIES,
        help="when a registry is asked for the image (default: background)",
    )
    parser.add_argument(
        "--no-image-cache",
        action="store_true",
        help="fetch and unpack the image again; it takes the place of the one that is here",
    )


def _add_options_without_effect(parser: Parser) -> None:
    """What brood-box needs and bbox doesn't: a script that gives it runs as well."""
    for name, why in (
        ("--no-firmware-download", "nothing is downloaded"),
        ("--no-mcp", "no MCP server is reached"),
        ("--debug", "`bbox logs` tells it all"),
    ):
        parser.add_argument(name, action="store_true", help=f"no effect: {why}")
    parser.add_argument(
        "--ssh-port", type=int, metavar="PORT", help="no effect: the guest's shell is on no port"
    )


def _add_policy_options(parser: Parser) -> None:
    parser.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[], help="hide more paths"
    )
    parser.add_argument("--egress-profile", choices=EGRESS_PROFILES, help="what is reachable")
    parser.add_argument(
        "--allow-host", metavar="HOST[:PORT]", action="append", default=[], help="reach this too"
    )
    parser.add_argument(
        "--port",
        metavar="HOST:GUEST",
        action="append",
        default=[],
        help="let this machine's port lead to one of the guest",
    )
    parser.add_argument(
        "--git-token",
        action=argparse.BooleanOptionalAction,
        help="let the agent use your GitHub token for this workspace's remotes; "
        "the token stays on this host",
    )
    parser.add_argument(
        "--git-ssh-agent",
        action=argparse.BooleanOptionalAction,
        help="let the agent log in with your SSH agent to the hosts of this workspace's remotes",
    )
    parser.add_argument(
        "--env-forward", metavar="PATTERN", action="append", default=[], help="carry variables"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would run and be carried, and end"
    )


def _add_login_options(parser: Parser) -> None:
    parser.add_argument(
        "--no-save-credentials",
        dest="save_login",
        action="store_false",
        help="neither carry the agent's saved login nor keep one",
    )
    parser.add_argument(
        "--seed-credentials",
        dest="seed_login",
        action="store_true",
        help="take over the login that the agent has on this host",
    )
    parser.add_argument(
        "--login", dest="log_in", action="store_true", help="start without a key, to log in inside"
    )


def _add_auth_command(parser: Parser) -> None:
    parser.add_argument("action", choices=["list", "clear"], help="show them, or forget them")
    parser.add_argument("agent", nargs="?", help="of this agent only")
    parser.add_argument("--verbose", action="store_true", help="the files and their age, too")
    parser.add_argument("--force", action="store_true", help="clear all without asking")


def _add_cache_command(parser: Parser) -> None:
    parser.add_argument(
        "action",
        choices=["list", "clean", "gc", "purge"],
        help="show them; remove downloaded layers; and what is unused; or everything",
    )
    parser.add_argument("--dry-run", action="store_true", help="with gc: show what would go")
    parser.add_argument("--force", action="store_true", help="with purge: do not ask")


def _add_review_options(parser: Parser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--review", dest="review", action="store_const", const="review", help="review at the end"
    )
    choice.add_argument(
        "--no-review", dest="review", action="store_const", const="later", help="review later"
    )
    choice.add_argument(
        "--auto-accept",
        dest="review",
        action="store_const",
        const="auto",
        help="apply ordinary changes at the end, unasked",
    )
    parser.set_defaults(review="ask")


def _command_parsers() -> dict[str, Parser]:
    parsers = {
        name: Parser(prog=f"bbox {name}", description=text) for name, text in DESCRIPTIONS.items()
    }
    parsers["run"] = _run_parser("bbox run")
    parsers["run-image"] = _run_image_parser()
    for name in ("attach", "stop", "review", "diff", "flush", "undo", "discard", "logs"):
        parsers[name].add_argument(
            "session", nargs="?", help="its id (default: the newest one of this directory)"
        )
    for name in JSON_COMMANDS:
        parsers[name].add_argument("--json", action="store_true", help="for machines")
    _add_review_command(parsers["review"])
    add_config_commands(parsers["config"])
    add_trust_options(parsers["trust"])
    add_network_options(parsers["network"])
    add_agents_command(parsers["agents"])
    _add_auth_command(parsers["auth"])
    _add_cache_command(parsers["cache"])
    parsers["diff"].add_argument("paths", nargs="*", help="only these paths")
    parsers["diff"].add_argument("--stat", action="store_true", help="names and counts only")
    parsers["flush"].add_argument("--dry-run", action="store_true", help="show the plan only")
    parsers["flush"].add_argument(
        "--fast-forward", action="store_true", help="move your branches to the agent's commits"
    )
    _add_why_command(parsers["why"])
    parsers["stop"].add_argument("--now", action="store_true", help="do not ask the agent to end")
    parsers["discard"].add_argument("--force", action="store_true", help="do not ask")
    parsers["sessions"].add_argument("--all", action="store_true", help="the ended ones too")
    parsers["logs"].add_argument(
        "--console", action="store_true", help="the guest's console instead of the events"
    )
    parsers["logs"].add_argument("--json", action="store_true", help="events as JSON lines")
    parsers["logs"].add_argument(
        "--timings", action="store_true", help="how long each phase took instead"
    )
    parsers["logs"].add_argument(
        "--trace", action="store_true", help="write trace.json (OpenTelemetry) instead"
    )
    return parsers


DESCRIPTIONS: Final = {
    "run": "Run an agent.",
    "run-image": "Run a command in any image.",
    "attach": "Come back to a session that runs.",
    "stop": "End a session's agent; what it changed waits for review.",
    "review": "Decide what of a session's changes reaches the workspace.",
    "diff": "Show a session's changes.",
    "flush": "Write the accepted changes to the workspace.",
    "undo": "Take the last flush of a session back.",
    "discard": "Throw a session and its changes away.",
    "sessions": "List sessions that run or wait for review.",
    "logs": "Show what happened in a session.",
    "network": "Show what a session reached and was refused, and allow or deny hosts at once.",
    "list": "List the agents.",
    "agents": "Show, check, add, import and export agents.",
    "config": "Write, show and check your configuration.",
    "trust": "Allow what a workspace's .broodbox.yaml asks for beyond your own settings.",
    "cache": "List the images on this machine, or make room.",
    "auth": "List or forget the logins that agents left.",
    "doctor": "Tell what is missing on this machine, and how to get it.",
    "why": "Tell which rule hides a path from the agent, or that none does.",
}


def _add_why_command(parser: Parser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="+", help="in the workspace")
    parser.add_argument("--workspace", metavar="DIR", help="the directory (default: this one)")
    parser.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[], help="as with `bbox run`"
    )
    parser.add_argument(
        "--config", metavar="FILE", help="your config file, instead of the usual one"
    )


def _add_review_command(parser: Parser) -> None:
    parser.add_argument(
        "--accept", metavar="PATH[#N]", action="append", default=[], help="a file, or its hunk N"
    )
    parser.add_argument(
        "--reject", metavar="PATH[#N]", action="append", default=[], help="a file, or its hunk N"
    )
    parser.add_argument(
        "--accept-all",
        action="store_true",
        help="every ordinary change (not what runs on the host)",
    )
    parser.add_argument("--reject-all", action="store_true", help="every change")
    parser.add_argument(
        "--build-files", action="store_true", help="with --accept-all: build files too"
    )
    parser.add_argument("--flush", action="store_true", help="flush what is accepted, too")
