# SPDX-License-Identifier: Apache-2.0
"""`bbox list` and `bbox doctor`."""

import json
from argparse import Namespace

from bbox_server.domain.doctor import Check, CheckStatus
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.cli.style import Style


async def list_agents(values: Namespace, services: Services, console: Console) -> int:
    """The agents, by name (compat CLI-40)."""
    configured = services.configs()(services.directory).agents
    agents = configured.list()
    types = dict.fromkeys(configured.custom, "custom")
    if values.json:
        rows = [
            {
                "name": agent.name,
                "type": types.get(agent.name, "built-in"),
                "image": str(agent.image),
                "description": agent.description,
            }
            for agent in agents
        ]
        console.say(json.dumps({"agents": rows}, indent=2))
        return 0
    for agent in agents:
        console.say(f"{agent.name:<15} {types.get(agent.name, 'built-in'):<10} {agent.image}")
    return 0


async def doctor(values: Namespace, services: Services, console: Console) -> int:
    """What is missing; 1 where no agent can run."""
    checks = await services.diagnose()()
    ready = all(check.status is not CheckStatus.FAILED for check in checks)
    if values.json:
        from bbox_server.wire.session import doctor_message

        console.say(doctor_message(checks).to_json(indent=2))
        return 0 if ready else 1
    for check in checks:
        console.say(_line(check, console.style))
    verdict = "An agent can run here." if ready else "Something is missing: see above."
    console.say((console.style.green if ready else console.style.red)(verdict))
    return 0 if ready else 1


def _line(check: Check, style: Style) -> str:
    remedy = f"\n    → {check.remediation}" if check.remediation else ""
    return f"{_sign(check.status, style)} {check.name:<20} {check.detail}{remedy}"


def _sign(status: CheckStatus, style: Style) -> str:
    match status:
        case CheckStatus.OK:
            return style.green("✓")
        case CheckStatus.WARNING:
            return style.yellow("!")
        case CheckStatus.FAILED:
            return style.red("✗")
