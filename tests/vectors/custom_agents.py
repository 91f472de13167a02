# SPDX-License-Identifier: Apache-2.0
"""Agents of the user's own: what is wrong with them, and what they become."""

from typing import Any

import yaml

from bbox_server.domain.config.agents import configured_agents
from bbox_server.domain.config.custom_agent import DEFAULT_AUTHZ, custom_agent, custom_faults
from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.config.problem import FindingKind, Layer
from bbox_server.domain.config.sections import Config
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.infra.agents.registry import BuiltinAgents
from bbox_server.infra.config.decode import decode_config
from tests.vectors.case import Case, UnknownKindError

NAME = "my-agent"


def answer(case: Case) -> object:
    match case.kind:
        case "validate":
            return {"error": validate(case.input["name"], case.input["override"])}
        case "resolve":
            return resolve(case.input["override"], case.input["defaults"])
        case "register":
            return register(dict(case.input))
        case _:
            raise UnknownKindError


def accepts(case: Case, answer: object) -> bool:
    """An error is the expected one when it says the same; of a value, what is asked for counts."""
    match case.kind, answer:
        case "validate", {"error": error}:
            expected = case.expect["error"]
            if expected is None or error is None:
                return error is expected
            return expected.replace("leading-star", "leading star") in error
        case "resolve", dict():
            return all(answer[name] == value for name, value in case.expect.items())
        case _:
            return bool(answer == case.expect)


def decoded(name: str, override: object, defaults: object = None) -> ConfigLayer:
    tree = {"agents": {name: override}, "defaults": defaults}
    return decode_config(yaml.safe_dump(tree).encode(), layer=Layer.GLOBAL, file="f")


def validate(name: str, override: object) -> str | None:
    """What the file's reader and the agent's own rules find; the file's keys stand before it."""
    layer = decoded(name, override)
    found = [f"invalid {one}" for one in layer.findings if one.kind is FindingKind.INVALID]
    found = [text.replace("invalid f", "f") for text in found]
    faults = [
        *(named(text) for text in found),
        *(one.text for one in custom_faults(name, layer.config.agent(name))),
    ]
    return "; ".join(faults) or None


def named(text: str) -> str:
    """The reference says which of its enumerations a value is not of."""
    for path, words in (
        (".kind:", "unknown settings kind"),
        (".egress_profile:", "invalid egress_profile"),
    ):
        if path in text:
            return f"{words}: {text}"
    return text


def resolve(override: object, defaults: object) -> dict[str, Any]:
    config = decoded(NAME, override, defaults).config
    section = config.agent(NAME)
    agent = custom_agent(NAME, section, config.defaults)
    return {
        "cpus": agent.resources.cpus,
        "memory": agent.resources.memory_mib,
        "tmp_size": agent.resources.tmp_size_mib,
        "egress_profile": (section.egress_profile or EgressProfile.STANDARD).value,
        "env_forward": list(agent.env_forward),
        "credential_paths": [str(path) for path in agent.credential_paths],
        "mcp_authz_default": DEFAULT_AUTHZ.value,
        "settings": [
            {
                "host_path": entry.host_path,
                "guest_path": entry.guest_path,
                "kind": entry.kind.value,
            }
            for entry in section.settings or ()
        ],
    }


def register(given: dict[str, Any]) -> str:
    registered = given.pop("registered", False)
    name = "codex" if registered else NAME
    config: Config = decoded(name, given).config
    built_in = {agent.name: agent for agent in BuiltinAgents().list()}
    agents = configured_agents(config, built_in)
    if name in built_in:
        return "skip silently (override of built-in)"
    if agents.faults.get(name):
        return "warn and skip"
    return "registered" if name in agents.agents else "skip silently"
