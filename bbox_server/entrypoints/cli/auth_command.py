# SPDX-License-Identifier: Apache-2.0
"""`bbox auth`: the logins that agents left on this host."""

import json
import time
from argparse import Namespace

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.login import LoginStore, SavedLogin
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services


async def auth(values: Namespace, services: Services, console: Console) -> int:
    """`bbox auth list` and `bbox auth clear` (compat CLI-31)."""
    act = forget if values.action == "clear" else show
    return act(values, services.logins(), console)


def check_login_options(values: Namespace) -> None:
    """Options that contradict each other, or need an agent. Raises: cli.usage."""
    wishes = {"--seed-credentials": values.seed_login, "--login": values.log_in}
    for option in [name for name, is_set in wishes.items() if is_set]:
        if values.agent is None:
            cause = f"{option} needs an agent: an image has no login."
            remediation = f"Name an agent, or leave out {option}."
        elif not values.save_login:
            cause = f"{option} and --no-save-credentials contradict each other."
            remediation = "Leave out one of them."
        else:
            continue
        raise BboxError(ErrorCode.CLI_USAGE, cause=cause, remediation=remediation)


def show(values: Namespace, store: LoginStore, console: Console) -> int:
    """Name what is kept; never a content."""
    saved = _named(store.list(), values.agent)
    if values.json:
        console.say(json.dumps({"agents": [_fields(login) for login in saved]}, indent=2))
        return 0
    if not saved:
        console.say("No saved credentials")
    for login in saved:
        console.say(login.agent)
        for file in login.files if values.verbose else ():
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime(file.modified_at))
            console.say(f"  {file.path}  {file.size} bytes  {at}")
    return 0


def forget(values: Namespace, store: LoginStore, console: Console) -> int:
    """Forget one login, or all after a question."""
    if values.agent is not None:
        agents = [values.agent]
    else:
        agents = [login.agent for login in store.list()]
        if agents and not _is_confirmed(agents, values, console):
            console.say("Nothing is cleared.")
            return 0
    for agent in agents:
        store.clear(agent)
    if values.json:
        console.say(json.dumps({"cleared": agents}, indent=2))
        return 0
    for agent in agents:
        console.say(f"Credentials cleared for {agent}")
    if not agents:
        console.say("No saved credentials")
    return 0


def _is_confirmed(agents: list[str], values: Namespace, console: Console) -> bool:
    if values.force:
        return True
    names = ", ".join(agents)
    if not console.interactive or values.json:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"Nobody can be asked whether to clear the logins of {names}.",
            remediation="Name an agent, or say so with --force.",
        )
    answer = console.ask(f"Forget the logins of {names}? [y/N]: ")
    return (answer or "").lower() in {"y", "yes"}


def _named(saved: tuple[SavedLogin, ...], agent: str | None) -> tuple[SavedLogin, ...]:
    return tuple(login for login in saved if agent in {None, login.agent})


def _fields(login: SavedLogin) -> dict[str, object]:
    return {
        "agent": login.agent,
        "files": [
            {"path": str(file.path), "size": file.size, "modifiedAt": file.modified_at}
            for file in login.files
        ],
    }
