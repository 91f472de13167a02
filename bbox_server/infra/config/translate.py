# SPDX-License-Identifier: Apache-2.0
"""The models of a config file as the domain's values."""

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from bbox_server.domain.config.agent_section import (
    AgentMcpSection,
    AgentSection,
    CredentialsSection,
    McpInjection,
    SettingsEntrySection,
)
from bbox_server.domain.config.mcp_section import (
    McpAggregation,
    McpAuthz,
    McpFileConfig,
    McpPolicies,
    McpSection,
    McpToolOverride,
    McpWorkloadTools,
)
from bbox_server.domain.config.problem import Fault, KeyPath
from bbox_server.domain.config.provider_section import ProviderSection
from bbox_server.domain.config.sections import (
    AuthSection,
    Config,
    DefaultsSection,
    GitSection,
    ImageSection,
    NetworkSection,
    ReviewSection,
    RuntimeSection,
    WorkspaceSection,
)
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule, host_rule
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.settings import (
    SettingsCategory,
    SettingsFormat,
    SettingsImport,
    SettingsKind,
)
from bbox_server.infra.config import model as models
from bbox_server.infra.config.provider_model import ProviderModel

_S = TypeVar("_S")

UDP: Final = 17
NO_UDP: Final = "UDP is not carried; this opens nothing"


def config_of(model: models.ConfigModel) -> tuple[Config, tuple[Fault, ...]]:
    """The values, and what of them opens nothing."""
    config = Config(
        defaults=_same(DefaultsSection, model.defaults),
        workspace=_same(WorkspaceSection, model.workspace),
        review=_same(ReviewSection, model.review),
        network=_network_section(model.network or models.NetworkModel()),
        image=_same(ImageSection, model.image),
        mcp=_mcp(model.mcp or models.McpModel()),
        git=_same(GitSection, model.git),
        settings_import=_settings(model.settings_import),
        auth=_same(AuthSection, model.auth),
        keys=_same(KeyLimits, model.keys),
        runtime=_same(RuntimeSection, model.runtime),
        agents={name: agent_of(agent) for name, agent in _agents(model)},
    )
    return config, tuple(_udp(model))


def _network_section(model: models.NetworkModel) -> NetworkSection:
    services = model.services
    return NetworkSection(
        allow_hosts=_hosts(model.allow_hosts),
        services=None if services is None else tuple(one.service for one in services),
        proxy=model.proxy,
    )


def _network(model: models.ConfigModel) -> tuple[models.HostModel, ...] | None:
    return model.network.allow_hosts if model.network else None


def _udp(model: models.ConfigModel) -> Iterator[Fault]:
    lists: list[tuple[KeyPath, tuple[models.HostModel, ...] | None]] = [
        (("network", "allow_hosts"), _network(model))
    ]
    for name, agent in _agents(model):
        lists.append((("agents", name, "allow_hosts"), agent.allow_hosts))
        lists.extend(
            (("agents", name, "egress_hosts", profile), getattr(agent.egress_hosts, profile))
            for profile in EgressProfile
            if agent.egress_hosts
        )
    for path, hosts in lists:
        for number, host in enumerate(hosts or ()):
            if host.protocol == UDP:
                yield Fault(path=(*path, number), text=NO_UDP)


def _agents(model: models.ConfigModel) -> Iterator[tuple[str, models.AgentModel]]:
    for name, agent in (model.agents or {}).items():
        yield name, agent or models.AgentModel()


def _same(kind: type[_S], model: BaseModel | None) -> _S:
    """A section whose fields are the model's; tests/infra/config holds that they are."""
    return kind(**_set(model))


def _set(model: BaseModel | None) -> dict[str, Any]:
    """The keys that are set, with the domain's own values already."""
    fields = type(model).model_fields if model else ()
    values = {name: getattr(model, name) for name in fields}
    return {name: value for name, value in values.items() if value is not None}


def _hosts(models_: tuple[models.HostModel, ...] | None) -> tuple[HostRule, ...] | None:
    if models_ is None:
        return None
    return tuple(host_rule(one.name, one.ports or ()) for one in models_ if one.protocol != UDP)


def _settings(model: models.SettingsModel | None) -> SettingsImport:
    if model is None:
        return SettingsImport()
    categories = {SettingsCategory(name): value for name, value in _set(model.categories).items()}
    return SettingsImport(enabled=model.enabled, categories=categories)


def _authz(model: models.AuthzModel | None) -> McpAuthz:
    return McpAuthz(profile=model.profile if model else None)


def _mcp(model: models.McpModel) -> McpSection:
    return McpSection(
        enabled=model.enabled,
        group=model.group,
        port=model.port,
        config=mcp_file_of(model.config) if model.config else None,
        authz=_authz(model.authz),
        session_ttl=model.session_ttl,
    )


def mcp_file_of(model: models.McpFileModel) -> McpFileConfig:
    """`mcp.config`, or the file of --mcp-config."""
    return McpFileConfig(
        authz=McpPolicies(policies=model.authz.policies or ()) if model.authz else None,
        aggregation=_aggregation(model.aggregation) if model.aggregation else None,
    )


def _aggregation(model: models.AggregationModel) -> McpAggregation:
    return McpAggregation(
        conflict_resolution=model.conflict_resolution,
        prefix_format=model.prefix_format,
        priority_order=model.priority_order or (),
        exclude_all_tools=bool(model.exclude_all_tools),
        tools=tuple(
            McpWorkloadTools(
                workload=tools.workload,
                filter=tools.filter or (),
                overrides={
                    name: _same(McpToolOverride, one)
                    for name, one in (tools.overrides or {}).items()
                },
                exclude_all=bool(tools.exclude_all),
            )
            for tools in model.tools or ()
        ),
    )


def agent_of(model: models.AgentModel) -> AgentSection:
    """`agents.NAME`."""
    return AgentSection(
        image=model.image,
        description=model.description,
        command=model.command,
        env_forward=model.env_forward,
        default_env=model.default_env,
        env_required=model.env_required,
        credentials=_same(CredentialsSection, model.credentials),
        settings=None if model.settings is None else tuple(map(_entry, model.settings)),
        cpus=model.cpus,
        memory=model.memory,
        tmp_size=model.tmp_size,
        egress_profile=model.egress_profile,
        egress_hosts=_egress_hosts(model.egress_hosts),
        allow_hosts=_hosts(model.allow_hosts),
        providers=_providers(model.providers),
        mcp=_agent_mcp(model.mcp or models.AgentMcpModel()),
        settings_import=_settings(model.settings_import),
    )


def _providers(
    found: dict[str, ProviderModel] | None,
) -> dict[str, ProviderSection] | None:
    if found is None:
        return None
    return {name: _same(ProviderSection, model) for name, model in found.items()}


def _egress_hosts(
    model: models.EgressHostsModel | None,
) -> dict[EgressProfile, tuple[HostRule, ...]] | None:
    if model is None:
        return None
    return {EgressProfile(name): _hosts(hosts) or () for name, hosts in _set(model).items()}


def _entry(model: models.SettingsEntryModel) -> SettingsEntrySection:
    return SettingsEntrySection(
        host_path=model.host_path,
        guest_path=model.guest_path or model.host_path,
        kind=model.kind or SettingsKind.FILE,
        category=model.category,
        format=model.format,
        optional=bool(model.optional),
        allow_keys=model.allow_keys or (),
    )


def _agent_mcp(model: models.AgentMcpModel) -> AgentMcpSection:
    inject = None
    if model.inject is not None:
        inject = tuple(
            McpInjection(
                guest_path=one.guest_path,
                format=one.format or SettingsFormat.JSON,
                merge=one.merge or {},
            )
            for one in model.inject
        )
    return AgentMcpSection(
        enabled=model.enabled, mode=model.mode, authz=_authz(model.authz), inject=inject
    )
