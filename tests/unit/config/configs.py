# SPDX-License-Identifier: Apache-2.0
"""Configs for tests: from YAML, and any at all."""

from bbox_server.domain.config.layer import Baseline, ConfigLayer
from bbox_server.domain.config.merge import MergedConfig, merge_configs
from bbox_server.domain.config.problem import FindingKind, Layer
from bbox_server.infra.agents.registry import BuiltinAgents
from bbox_server.infra.config.decode import decode_config

BASELINE = Baseline(agents={agent.name: agent for agent in BuiltinAgents().list()})


def user(text: str) -> ConfigLayer:
    return _read(text, Layer.GLOBAL, "config.yaml")


def workspace(text: str) -> ConfigLayer:
    return _read(text, Layer.WORKSPACE, ".broodbox.yaml")


def _read(text: str, layer: Layer, file: str) -> ConfigLayer:
    return decode_config(text.encode(), layer=layer, file=file)


def merged(mine: str, theirs: str, *, trusted: bool = False) -> MergedConfig:
    return merge_configs(user(mine), workspace(theirs), BASELINE, trusted=trusted)


def kinds(merge: MergedConfig) -> list[FindingKind]:
    return [finding.kind for finding in merge.findings]
