# SPDX-License-Identifier: Apache-2.0
"""The user's config and a workspace's, made one: a workspace only tightens (compat CFG-20 ff.).

Where the reference lets a workspace widen (P-25), and where it drops what would tighten (P-24,
P-27), ours doesn't.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bbox_server.domain.config.agent_merge import merged_agents
from bbox_server.domain.config.layer import DEFAULT_PROFILE, Baseline, ConfigLayer
from bbox_server.domain.config.mcp_section import AuthzProfile, McpSection
from bbox_server.domain.config.merged_values import (
    merged_authz,
    merged_hosts,
    merged_number,
    merged_profile,
    merged_settings,
    merged_switch,
)
from bbox_server.domain.config.narrowing import Narrowing
from bbox_server.domain.config.problem import Finding, FindingKind, KeyPath, Layer, Origin
from bbox_server.domain.config.sections import (
    MAX_CPUS,
    MAX_MEMORY,
    MAX_TMP_SIZE,
    AuthSection,
    Config,
    DefaultsSection,
    GitSection,
    ImageSection,
    Mebibytes,
    NetworkSection,
    ReviewSection,
    RuntimeSection,
    WorkspaceSection,
)
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.key_limits import MAX_DATA_MIB, MAX_REQUESTS, KeyLimits

NO_WORKSPACE: Final = ConfigLayer(layer=Layer.WORKSPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedConfig:
    """What holds.

    Attributes:
        origins: Of each value that is set.
        findings: Of both files and of their merge.
    """

    config: Config
    origins: Mapping[KeyPath, Origin]
    findings: tuple[Finding, ...]

    @property
    def widening(self) -> tuple[Finding, ...]:
        """What the workspace asks for and does not get before it is trusted."""
        return tuple(one for one in self.findings if one.kind is FindingKind.WIDENS)


def merge_configs(
    mine: ConfigLayer, theirs: ConfigLayer | None, baseline: Baseline, *, trusted: bool = False
) -> MergedConfig:
    """The user's file with a workspace's over it.

    Args:
        mine: The user's.
        theirs: The workspace's, where it has one.
        baseline: What holds without either.
        trusted: The user has seen what the workspace's file widens, and lets it.
    """
    merge = Narrowing(mine=mine, theirs=theirs or NO_WORKSPACE, trusted=trusted)
    config = Config(
        defaults=_defaults(merge, baseline),
        workspace=_workspace(merge),
        review=_review(merge),
        network=_network(merge),
        image=_image(merge),
        mcp=_mcp(merge),
        git=_git(merge),
        settings_import=merged_settings(
            merge,
            ("settings_import",),
            mine.config.settings_import,
            merge.theirs.config.settings_import,
        ),
        auth=_auth(merge),
        keys=_keys(merge),
        runtime=_runtime(merge),
        agents=merged_agents(merge, baseline),
    )
    return MergedConfig(
        config=config,
        origins=merge.origins,
        findings=(*mine.findings, *merge.theirs.findings, *merge.findings),
    )


def _defaults(merge: Narrowing, baseline: Baseline) -> DefaultsSection:
    mine, theirs = merge.mine.config.defaults, merge.theirs.config.defaults
    least = baseline.resources
    memory = merged_number(
        merge,
        ("defaults", "memory"),
        (mine.memory, theirs.memory),
        base=least.memory_mib,
        limit=MAX_MEMORY,
    )
    tmp_size = merged_number(
        merge,
        ("defaults", "tmp_size"),
        (mine.tmp_size, theirs.tmp_size),
        base=least.tmp_size_mib,
        limit=MAX_TMP_SIZE,
    )
    return DefaultsSection(
        cpus=merged_number(
            merge, ("defaults", "cpus"), (mine.cpus, theirs.cpus), base=least.cpus, limit=MAX_CPUS
        ),
        memory=None if memory is None else Mebibytes(memory),
        tmp_size=None if tmp_size is None else Mebibytes(tmp_size),
        egress_profile=merged_profile(
            merge,
            ("defaults", "egress_profile"),
            (mine.egress_profile, theirs.egress_profile),
            base=DEFAULT_PROFILE,
        ),
    )


def _workspace(merge: Narrowing) -> WorkspaceSection:
    """A workspace can't choose direct mode: that has an acknowledgement of its own (CFG-24)."""
    path = ("workspace", "mode")
    mine, theirs = merge.mine.config.workspace.mode, merge.theirs.config.workspace.mode
    if theirs is WorkspaceMode.DIRECT and mine is not WorkspaceMode.DIRECT:
        mode = merge.refused(path, mine, theirs)
    elif theirs is WorkspaceMode.SNAPSHOT:
        kind = FindingKind.TIGHTENED if mine is WorkspaceMode.DIRECT else None
        mode = merge.taken(kind, path, theirs, theirs.value)
    else:
        mode = merge.kept(path, mine)
    return WorkspaceSection(mode=mode)


def _review(merge: Narrowing) -> ReviewSection:
    mine, theirs = merge.mine.config.review, merge.theirs.config.review
    return ReviewSection(
        enabled=_review_enabled(merge, (mine.enabled, theirs.enabled)),
        auto_accept=merge.refused(("review", "auto_accept"), mine.auto_accept, theirs.auto_accept),
        exclude_patterns=merge.appended(
            ("review", "exclude_patterns"),
            (mine.exclude_patterns, theirs.exclude_patterns),
            widens=lambda pattern: pattern.startswith("!"),
            adds="excludes",
            tightens=True,
        ),
    )


def _review_enabled(merge: Narrowing, pair: tuple[bool | None, bool | None]) -> bool | None:
    path, (mine, theirs) = ("review", "enabled"), pair
    if not theirs:
        return merge.refused(path, mine, theirs) if mine else merge.kept(path, mine)
    kind = None if mine else FindingKind.TIGHTENED
    return merge.taken(kind, path, theirs, "a review at the end")


def _network(merge: Narrowing) -> NetworkSection:
    mine, theirs = merge.mine.config.network, merge.theirs.config.network
    hosts = merged_hosts(
        merge, ("network", "allow_hosts"), (mine.allow_hosts, theirs.allow_hosts), also=()
    )
    return NetworkSection(
        allow_hosts=hosts,
        # A repository does not choose what of this machine it reaches, nor the way out.
        services=merge.refused(("network", "services"), mine.services, theirs.services),
        proxy=merge.refused(("network", "proxy"), mine.proxy, theirs.proxy),
    )


def _image(merge: Narrowing) -> ImageSection:
    """Neither direction is the strict one: stale and fetched images both have their dangers."""
    path = ("image", "pull")
    mine, theirs = merge.mine.config.image.pull, merge.theirs.config.image.pull
    held = mine or PullPolicy.BACKGROUND
    if theirs is None or theirs is held:
        return ImageSection(pull=merge.kept(path, mine))
    return ImageSection(pull=merge.asked(path, (mine, theirs), f"{theirs} instead of {held}"))


def _mcp(merge: Narrowing) -> McpSection:
    mine, theirs = merge.mine.config.mcp, merge.theirs.config.mcp
    return replace(
        mine,
        enabled=merge.refused(("mcp", "enabled"), mine.enabled, theirs.enabled),
        group=merge.refused(("mcp", "group"), mine.group, theirs.group),
        port=merge.refused(("mcp", "port"), mine.port, theirs.port),
        config=merge.refused(("mcp", "config"), mine.config, theirs.config),
        authz=merged_authz(
            merge,
            ("mcp", "authz", "profile"),
            (mine.authz.profile, theirs.authz.profile),
            base=AuthzProfile.FULL_ACCESS,
        ),
        session_ttl=merge.refused(("mcp", "session_ttl"), mine.session_ttl, theirs.session_ttl),
    )


def _git(merge: Narrowing) -> GitSection:
    mine, theirs = merge.mine.config.git, merge.theirs.config.git
    return GitSection(
        forward_token=merged_switch(
            merge,
            ("git", "forward_token"),
            (mine.forward_token, theirs.forward_token),
            base=False,
        ),
        forward_ssh_agent=merged_switch(
            merge,
            ("git", "forward_ssh_agent"),
            (mine.forward_ssh_agent, theirs.forward_ssh_agent),
            base=False,
        ),
    )


def _auth(merge: Narrowing) -> AuthSection:
    mine, theirs = merge.mine.config.auth, merge.theirs.config.auth
    return AuthSection(
        save_credentials=merge.refused(
            ("auth", "save_credentials"), mine.save_credentials, theirs.save_credentials
        ),
        seed_host_credentials=merge.refused(
            ("auth", "seed_host_credentials"),
            mine.seed_host_credentials,
            theirs.seed_host_credentials,
        ),
    )


def _keys(merge: Narrowing) -> KeyLimits:
    """Where the user sets no limit, any limit is less."""
    mine, theirs = merge.mine.config.keys, merge.theirs.config.keys
    requests, per_minute, data = (
        merged_number(
            merge,
            ("keys", name),
            (getattr(mine, name), getattr(theirs, name)),
            base=most + 1,
            limit=most,
        )
        for name, most in (
            ("requests", MAX_REQUESTS),
            ("requests_per_minute", MAX_REQUESTS),
            ("data", MAX_DATA_MIB),
        )
    )
    return KeyLimits(requests=requests, requests_per_minute=per_minute, data=data)


def _runtime(merge: Narrowing) -> RuntimeSection:
    """CFG-30; it has no effect here, so there is nothing to widen."""
    path = ("runtime", "firmware_download")
    mine = merge.mine.config.runtime.firmware_download
    theirs = merge.theirs.config.runtime.firmware_download
    if theirs is None or mine is False:
        return RuntimeSection(firmware_download=merge.kept(path, mine))
    return RuntimeSection(firmware_download=merge.taken(None, path, theirs, ""))
