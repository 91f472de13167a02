# SPDX-License-Identifier: Apache-2.0
"""`bbox trust`, and its question at the start of a run."""

from argparse import Namespace
from typing import Final

from bbox_server.application.resolve_config import ResolvedConfig
from bbox_server.domain.config.source import TrustDecision
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.entrypoints.cli.config_place import config_file, workspace_of
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services

QUESTION: Final = "Allow this, for this content of the file? [y]es / [n]o (no): "


async def trust(values: Namespace, services: Services, console: Console) -> int:
    """Show what the workspace's file widens, and remember what the user says of it."""
    workspace = workspace_of(values.workspace, services)
    configs = services.configs()
    if values.revoke:
        was_there = configs.trust.forget(workspace)
        console.say("Forgotten." if was_there else "Nothing was said of this workspace's files.")
        return 0
    resolved = configs(workspace, config_file(values, services))
    if resolved.digest is None:
        console.say("There is no .broodbox.yaml here that could be read; nothing to trust.")
        return 0
    if not resolved.widening:
        console.say("The .broodbox.yaml here asks for nothing beyond your own settings.")
        return 0
    _show(resolved, console)
    if resolved.decision is TrustDecision.TRUSTED:
        console.say("You trust this file already; `bbox trust --revoke` takes it back.")
        return 0
    if not values.yes and not console.interactive:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="There is nobody to be asked.",
            remediation="`bbox trust --yes` allows what is listed above.",
        )
    decision = TrustDecision.TRUSTED if values.yes else _asked(console)
    if decision is None:
        return 1
    configs.trust.decide(workspace, resolved.digest, decision)
    console.say(f"The file is {decision}, until it changes.")
    return 0


def ask_once(values: Namespace, services: Services, console: Console) -> None:
    """At the start of a run: ask of a file that widens and that nobody was asked of (P-25).

    Without a terminal nothing is asked, and nothing applied; the run's warnings say so.
    """
    if not console.interactive:
        return
    workspace = workspace_of(values.workspace, services)
    configs = services.configs()
    resolved = configs(workspace, config_file(values, services))
    if resolved.digest is None or not resolved.widening or resolved.decision is not None:
        return
    _show(resolved, console)
    decision = _asked(console)
    if decision is not None:
        configs.trust.decide(workspace, resolved.digest, decision)


def _show(resolved: ResolvedConfig, console: Console) -> None:
    console.say(console.style.bold("The .broodbox.yaml here asks for more than you allow:"))
    for finding in resolved.widening:
        console.say(f"  - {escape_text(str(finding))}")


def _asked(console: Console) -> TrustDecision | None:
    """What the user says; the end of the input says nothing, and is asked again next time."""
    answer = console.ask(QUESTION)
    if answer is None:
        return None
    return TrustDecision.TRUSTED if answer.lower() in {"y", "yes"} else TrustDecision.REFUSED
