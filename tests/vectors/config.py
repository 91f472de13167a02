# SPDX-License-Identifier: Apache-2.0
"""Config files as the vectors have them: loaded, merged, put over an agent."""

import os
import re
from pathlib import Path
from typing import Any, Final

import yaml

from bbox_server.domain.agent import Agent, AgentResources, agent_name
from bbox_server.domain.config.effective import effective, effective_profile, overridden
from bbox_server.domain.config.layer import Baseline, ConfigLayer
from bbox_server.domain.config.listing import listed
from bbox_server.domain.config.merge import merge_configs
from bbox_server.domain.config.problem import FindingKind, KeyPath, Layer
from bbox_server.domain.config.sections import Config
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError
from bbox_server.domain.image import parse_reference
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.agents.registry import BuiltinAgents
from bbox_server.infra.config.decode import decode_config
from bbox_server.infra.config.files import USER_FILE, WORKSPACE_FILE, DiskConfigFiles
from tests.vectors.case import Case, UnknownKindError
from tests.vectors.trees import directory

# What the reference calls a fault, in our words.
WORDS: Final = {"type": "it must be", "yaml": "no valid YAML", "not a regular file": "regular"}


def answer(case: Case) -> object:
    match case.kind:
        case "merge":
            return merges(case.input["global"], case.input["local"])
        case "agent_merge":
            return agent_merge(case.input)
        case "load":
            return load(case.input["file"], case.input["text"])
        case "mcp_file":
            layer = layer_of({"mcp": {"config": case.input}}, Layer.GLOBAL)
            return {"error": faults(layer) or None}
        case _:
            raise UnknownKindError


def accepts(case: Case, answer: object) -> bool:
    """A merge has two answers, one before and one after the workspace's file is trusted.

    The reference trusts every file, so that its answer is the one or the other of ours; that
    the first never widens is tests/unit/config/test_monotone.py.
    """
    match case.kind, answer:
        case "merge", tuple():
            return flat(case.expect) in answer
        case "load", dict() | ConfigLayer():
            return loads(case.expect, answer)
        case "mcp_file", {"error": error}:
            expected = case.expect["error"]
            return (error is None) if expected is None else expected in str(error)
        case "agent_merge", dict():
            expected = dict(case.expect) | {"image": parse_reference(case.expect["image"])}
            return answer == expected
        case _:
            return False


def layer_of(tree: object, layer: Layer) -> ConfigLayer:
    content = yaml.safe_dump(tree).encode()
    return decode_config(content, layer=layer, file=layer.value)


def faults(layer: ConfigLayer) -> str:
    wrong = [one for one in layer.findings if one.kind is FindingKind.INVALID]
    return "; ".join(map(str, wrong))


def merges(mine: object, theirs: object) -> object:
    user = layer_of(mine, Layer.GLOBAL)
    if faults(user):
        return {"error": faults(user)}
    baseline = Baseline(agents={agent.name: agent for agent in BuiltinAgents().list()})
    workspace = layer_of(theirs, Layer.WORKSPACE)
    return tuple(
        flat(nested(merge_configs(user, workspace, baseline, trusted=trusted).config))
        for trusted in (False, True)
    )


def nested(config: Config) -> dict[str, Any]:
    """The values that are set, as a file has them."""
    top: dict[str, Any] = {}
    for path, leaf in listed(config):
        put(top, path, [] if leaf == () else plain(leaf))
    return top


def plain(leaf: object) -> object:
    if isinstance(leaf, HostRule):
        return {"name": leaf.name} | ({"ports": list(leaf.ports)} if leaf.ports else {})
    return leaf


def put(top: dict[str, Any], path: KeyPath, leaf: object) -> None:
    where: Any = top
    for part, after in zip(path, (*path[1:], None), strict=True):
        fresh: Any = leaf if after is None else [] if isinstance(after, int) else {}
        if isinstance(where, list):
            if part == len(where):
                where.append(fresh)
        else:
            where.setdefault(part, fresh)
        where = where[part]


def flat(value: object) -> object:
    """Without mappings that say nothing: whether they are there is no difference to us."""
    if isinstance(value, dict):
        kept = {name: flat(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in ({}, None)}
    return value


def agent_merge(given: dict[str, Any]) -> object:
    config = layer_of(
        {"agents": {"a": given["override"]}, "defaults": given["defaults"]}, Layer.GLOBAL
    ).config
    own = given["agent"]
    section, defaults = config.agent("a"), config.defaults
    agent = overridden(
        Agent(
            name=agent_name("a"),
            description="",
            image=parse_reference(own["image"]),
            command=tuple(own["command"]),
            env_forward=tuple(own["env_forward"]),
            resources=AgentResources(
                cpus=own["cpus"], memory_mib=own["memory"], tmp_size_mib=own["tmp_size"]
            ),
        ),
        section,
    )
    profile = EgressProfile(own["egress_profile"]) if own["egress_profile"] else None
    held = effective(config, "a")
    return {
        "image": agent.image,
        "command": list(agent.command),
        "env_forward": list(agent.env_forward),
        "cpus": held.cpus or agent.resources.cpus,
        "memory": held.memory_mib or agent.resources.memory_mib,
        "tmp_size": held.tmp_size_mib or agent.resources.tmp_size_mib,
        "egress_profile": effective_profile(profile, section, defaults).value,
    }


def load(file: str, text: str) -> object:
    with directory() as root:
        path = root / (USER_FILE if file == "global" else WORKSPACE_FILE)
        lay_out(path, text)
        files = DiskConfigFiles(directory=root)
        try:
            if file == "global":
                return files.user(None)
            return files.workspace(HostPath(str(root))) or {"config": None}
        except BboxError as error:
            return {"error": error.cause}


def lay_out(path: Path, text: str) -> None:
    match text:
        case "<missing file>":
            pass
        case "<fifo>":
            os.mkfifo(path)
        case "<directory>":
            path.mkdir()
        case str() if text.startswith("<symlink"):
            path.with_name("target").write_text("")
            path.symlink_to("target")
        case str() if (size := re.fullmatch(r"<(\d+) bytes>", text)) is not None:
            path.write_bytes(b"#" * int(size[1]))
        case _:
            path.write_text(text)


def loads(expected: dict[str, Any], answer: object) -> bool:
    """An error has the expected meaning; of the workspace's file it is a warning."""
    if isinstance(answer, dict):
        error, config = answer.get("error"), answer.get("config", {})
    else:
        assert isinstance(answer, ConfigLayer)
        error, config = faults(answer) or None, nested(answer.config)
    if "error" in expected:
        wanted = expected["error"].partition(" (")[0]
        return error is not None and WORDS.get(wanted, wanted) in error
    if "session_ttl_seconds" in expected:
        return bool(config["mcp"]["session_ttl"] == expected["session_ttl_seconds"])
    return error is None and ("ok" in expected or bool(config == expected["config"]))
