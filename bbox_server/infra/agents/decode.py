# SPDX-License-Identifier: Apache-2.0
"""One agent from its file."""

import re
from typing import Final

from bbox_server.domain.agent import (
    WORKSPACE_VARIABLE,
    Agent,
    AgentFile,
    AgentProvider,
    AgentResources,
    MemoryShares,
    agent_name,
    fill,
    provider_variables,
    template_names,
)
from bbox_server.domain.credential import ProviderId
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.held_login import LoginForm
from bbox_server.domain.image import ImageReference, parse_reference
from bbox_server.infra.agents.document import Document, invalid
from bbox_server.infra.agents.manifest import decode_mcp, decode_settings, home_path

_KEYS: Final = (
    *(
        "name",
        "description",
        "image",
        "command",
        "unattended",
        "unattended_env",
        "env_forward",
        "env",
        "memory",
    ),
    *("resources", "credential_paths", "providers", "hosts", "files", "env_required"),
    *("settings", "mcp_servers"),
)
_VARIABLE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_PATTERN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")
_PROVIDER: Final = re.compile("[a-z][a-z0-9-]*")

_PERCENT: Final = 100
_CPUS: Final = 256
_MIB: Final = 16 * 1024 * 1024


def decode_agent(document: Document, registry: str) -> Agent:
    """An agent; `registry` stands for `${registry}` in its image's name.

    Raises:
        BboxError: agent.invalid, agent.invalid-name, egress.invalid-rule,
            image.invalid-reference.
    """
    document.only(*_KEYS)
    providers = tuple(_provider(entry) for entry in document.children("providers"))
    names = [name for provider in providers for name in provider_variables(provider.id)]
    known = frozenset((WORKSPACE_VARIABLE, *names))
    ids = frozenset(provider.id for provider in providers)
    files = tuple(_file(entry, known, ids) for entry in document.children("files"))
    command = document.texts("command")
    if not command:
        raise invalid(f"{document.place}: command is missing.")
    return Agent(
        name=agent_name(document.text("name")),
        description=document.text("description"),
        image=_image(document, registry),
        command=command,
        unattended=document.texts("unattended"),
        unattended_env=_variables(document.child("unattended_env")),
        env_forward=_patterns(document),
        env_required=document.texts("env_required"),
        env=_variables(document.child("env")),
        memory=_memory(document.child("memory")),
        resources=_resources(document.child("resources")),
        credential_paths=tuple(
            home_path(document, path) for path in document.texts("credential_paths")
        ),
        providers=providers,
        hosts=tuple(map(parse_host_rule, document.texts("hosts"))),
        files=files,
        settings=decode_settings(document),
        mcp_servers=decode_mcp(document),
    )


def _image(document: Document, registry: str) -> ImageReference:
    template = document.text("image")
    _check_template(document, template, frozenset({"registry"}))
    return parse_reference(fill(template, {"registry": registry}))


def _provider(document: Document) -> AgentProvider:
    document.only("id", "hosts", "env", "login")
    name = document.text("id")
    if not _PROVIDER.fullmatch(name):
        raise invalid(f"{document.place}: {name!r} is no provider's name.")
    provider = ProviderId(name)
    env = _variables(document.child("env"))
    known = frozenset(provider_variables(provider))
    for template in env.values():
        _check_template(document, template, known)
    hosts = tuple(map(parse_host_rule, document.texts("hosts")))
    return AgentProvider(id=provider, hosts=hosts, env=env, login=_login(document))


def _login(document: Document) -> LoginForm | None:
    if "login" not in document.members:
        return None
    name = document.text("login")
    if name not in {form.value for form in LoginForm}:
        raise invalid(f"{document.place}: {name!r} is no form of a login that can be held.")
    return LoginForm(name)


def _file(document: Document, known: frozenset[str], providers: frozenset[ProviderId]) -> AgentFile:
    document.only("path", "content", "provider")
    template = document.text("content")
    _check_template(document, template, known)
    provider = ProviderId(document.text("provider")) if "provider" in document.members else None
    if provider is not None and provider not in providers:
        raise invalid(f"{document.place}: {provider!r} is none of the agent's providers.")
    path = home_path(document, document.text("path"))
    return AgentFile(path=path, template=template, provider=provider)


def _check_template(document: Document, template: str, known: frozenset[str]) -> None:
    try:
        unknown = template_names(template) - known
    except ValueError as error:
        raise invalid(f"{document.place}: a lone $ (write $$).") from error
    if unknown:
        raise invalid(f"{document.place}: unknown ${{{min(unknown)}}}.")


def _variables(document: Document) -> dict[str, str]:
    for name in document.members:
        if not _VARIABLE.fullmatch(name):
            raise invalid(f"{document.place}: {name!r} is no variable's name.")
    return document.all_texts()


def _patterns(document: Document) -> tuple[str, ...]:
    patterns = document.texts("env_forward")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise invalid(f"{document.place}: {pattern!r} is no NAME or NAME*.")
    return patterns


def _memory(document: Document) -> MemoryShares:
    document.only("node_heap", "go_limit")
    return MemoryShares(
        node_heap=document.number("node_heap", 0, _PERCENT),
        go_limit=document.number("go_limit", 0, _PERCENT),
    )


def _resources(document: Document) -> AgentResources:
    document.only("cpus", "memory_mib", "tmp_size_mib")
    default = AgentResources()
    return AgentResources(
        cpus=document.number("cpus", default.cpus, _CPUS),
        memory_mib=document.number("memory_mib", default.memory_mib, _MIB),
        tmp_size_mib=document.number("tmp_size_mib", default.tmp_size_mib, _MIB),
    )
