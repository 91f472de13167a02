# SPDX-License-Identifier: Apache-2.0
"""What is configured for a workspace: the user's file, the workspace's, and what of it counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.config.agents import ConfiguredAgents, configured_agents
from bbox_server.domain.config.layer import Baseline, ConfigLayer
from bbox_server.domain.config.merge import MergedConfig, merge_configs
from bbox_server.domain.config.problem import Finding, FindingKind, KeyPath, Origin
from bbox_server.domain.config.sections import Config
from bbox_server.domain.config.source import ConfigFiles, TrustDecision, TrustStore
from bbox_server.domain.config.unused import without_effect
from bbox_server.domain.workspace import Digest, HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig:
    """What holds in a workspace.

    Attributes:
        findings: What somebody should know, in the order of the files.
        digest: Of the workspace's file; None without one.
        decision: What the user said of that very file.
        widening: What it asks for beyond what the user allows, trusted or not.
    """

    config: Config
    agents: ConfiguredAgents
    origins: Mapping[KeyPath, Origin]
    findings: tuple[Finding, ...]
    digest: Digest | None
    decision: TrustDecision | None
    widening: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveConfig:
    """Reads and merges; the same for a terminal, an editor and the run itself."""

    files: ConfigFiles
    trust: TrustStore
    built_in: AgentRegistry

    def __call__(self, workspace: HostPath | None, given: HostPath | None = None) -> ResolvedConfig:
        """Resolve.

        Args:
            workspace: None for the user's file alone.
            given: The user's file, where it is not the usual one.

        Raises:
            BboxError: config.invalid, of the user's file; a workspace's only has findings.
        """
        user = self.files.user(given)
        theirs = self.files.workspace(workspace) if workspace is not None else None
        decision = self._decision(workspace, theirs)
        agents = {agent.name: agent for agent in self.built_in.list()}
        baseline = Baseline(agents=agents)
        asked = merge_configs(user, theirs, baseline)
        merged = asked
        if decision is TrustDecision.TRUSTED:
            merged = merge_configs(user, theirs, baseline, trusted=True)
        configured = configured_agents(merged.config, agents, user=user.config)
        return ResolvedConfig(
            config=merged.config,
            agents=configured,
            origins=merged.origins,
            findings=(
                *merged.findings,
                *_agent_findings(configured, user),
                *_unused(merged, frozenset(agents), user),
            ),
            digest=theirs.digest if theirs else None,
            decision=decision,
            widening=asked.widening,
        )

    def _decision(
        self, workspace: HostPath | None, theirs: ConfigLayer | None
    ) -> TrustDecision | None:
        if workspace is None or theirs is None or theirs.digest is None:
            return None
        return self.trust.decision(workspace, theirs.digest)


def _agent_findings(configured: ConfiguredAgents, user: ConfigLayer) -> Iterator[Finding]:
    for name, faults in configured.faults.items():
        for fault in faults:
            path = ("agents", name, *fault.path)
            yield Finding(
                kind=FindingKind.INVALID,
                path=path,
                text=f"{fault.text}; the agent is skipped",
                origin=user.origin(path),
            )


def _unused(merged: MergedConfig, built_in: frozenset[str], user: ConfigLayer) -> Iterator[Finding]:
    for path, why in without_effect(merged.config, built_in):
        origins = [origin for at, origin in merged.origins.items() if at[: len(path)] == path]
        yield Finding(
            kind=FindingKind.UNUSED,
            path=path,
            text=why,
            origin=origins[0] if origins else user.origin(path),
        )
