# SPDX-License-Identifier: Apache-2.0
import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.agent import Agent, ProviderAccess
from bbox_server.domain.credential import ROUTES, PlaceholderToken, ProviderId
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.settings import SettingsKind, credential_reason
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.agents.decode import decode_agent
from bbox_server.infra.agents.document import Document
from bbox_server.infra.agents.registry import BuiltinAgents

FILES = sorted(Path("bbox_server/infra/agents/builtin").glob("*.yaml"))
OPENAI = ProviderId("openai")
OPENROUTER = ProviderId("openrouter")
ACCESS = {
    OPENAI: ProviderAccess(
        base_url="http://192.168.127.1:4484/openai/v1", placeholder=PlaceholderToken("stand-in")
    )
}
SMALLEST = "name: a\ndescription: A\nimage: example.com/a\ncommand: [a]\n"


def decode(text: str) -> Agent:
    return decode_agent(Document.parse(text.encode(), place="a.yaml"), "registry.example.com")


@pytest.fixture
def codex() -> Agent:
    return BuiltinAgents().get("codex")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_named_as_its_agent(path: Path) -> None:
    assert decode(path.read_text()).name == path.stem


def test_every_file_is_in_the_registry() -> None:
    assert [agent.name for agent in BuiltinAgents().list()] == [path.stem for path in FILES]


def test_codex_asks_nothing_and_has_no_sandbox_of_its_own(codex: Agent) -> None:
    assert codex.argv(("exec", "x")) == (
        "codex",
        "--dangerously-bypass-approvals-and-sandbox",
        "exec",
        "x",
    )


def test_codex_finds_its_provider_at_the_proxy(codex: Agent) -> None:
    (file,) = codex.guest_files(ACCESS, HostPath("/workspace"))

    config = tomllib.loads(file.content.decode())

    provider = config["model_providers"][config["model_provider"]]
    assert provider["base_url"] == ACCESS[OPENAI].base_url
    assert codex.environment(ACCESS, 4096)[provider["env_key"]] == "stand-in"
    assert config["projects"] == {"/workspace": {"trust_level": "trusted"}}


def test_codex_reaches_nothing_but_the_proxy_when_locked(codex: Agent) -> None:
    assert codex.locked_hosts(frozenset({OPENAI})) == ()


@pytest.mark.parametrize(
    ("name", "provider", "address", "path"),
    [
        ("claude-code", "anthropic", "ANTHROPIC_BASE_URL", ""),
        ("gemini", "google", "GOOGLE_GEMINI_BASE_URL", ""),
        ("hermes", "anthropic", "ANTHROPIC_BASE_URL", ""),
        ("hermes", "google", "GEMINI_BASE_URL", "/v1beta"),
        ("hermes", "openai", "OPENAI_BASE_URL", ""),
        ("hermes", "openrouter", "OPENROUTER_BASE_URL", ""),
        ("opencode", "anthropic", "ANTHROPIC_BASE_URL", "/v1"),
        ("opencode", "openai", "OPENAI_BASE_URL", ""),
    ],
)
def test_an_agent_finds_each_of_its_providers_at_the_proxy(
    name: str, provider: str, address: str, path: str
) -> None:
    base = f"http://192.168.127.1:4484{ROUTES[ProviderId(provider)].mount}"
    access = {
        ProviderId(provider): ProviderAccess(
            base_url=base, placeholder=PlaceholderToken("stand-in")
        )
    }
    env = BuiltinAgents().get(name).provider_environment(access)
    assert env.pop(address) == base + path
    assert list(env.values()) == ["stand-in"]


def test_opencode_finds_openrouter_by_its_configuration() -> None:
    access = {
        OPENROUTER: ProviderAccess(
            base_url="http://gw/openrouter/v1", placeholder=PlaceholderToken("stand-in")
        )
    }
    env = BuiltinAgents().get("opencode").provider_environment(access)
    config = json.loads(env["OPENCODE_CONFIG_CONTENT"])
    assert config["provider"]["openrouter"]["options"]["baseURL"] == "http://gw/openrouter/v1"
    assert env["OPENROUTER_API_KEY"] == "stand-in"


def test_every_provider_with_a_route_is_served_to_its_agents() -> None:
    direct = {
        provider.id
        for agent in BuiltinAgents().list()
        for provider in agent.providers
        if not provider.routed
    }
    assert not direct & ROUTES.keys()


def test_the_smallest_definition_has_the_defaults() -> None:
    agent = decode(SMALLEST)

    assert (agent.resources.cpus, agent.resources.memory_mib) == (2, 4096)
    assert agent.environment({}, 4096) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a", "a.yaml is no mapping"),
        ("a: [", "no YAML"),
        (f"{SMALLEST}colour: red\n", "unknown keys: colour"),
        (f"{SMALLEST}env: {{A B: x}}\n", "'A B' is no variable's name"),
        (f"{SMALLEST}env: {{A: 1}}\n", "A must be a text"),
        (f"{SMALLEST}env_forward: ['*']\n", "is no NAME"),
        (f"{SMALLEST}memory: {{go_limit: 101}}\n", "from 0 to 100"),
        (f"{SMALLEST}memory: {{go_limit: true}}\n", "must be a number"),
        (f"{SMALLEST}credential_paths: [/etc]\n", "does not lead into the home"),
        (f"{SMALLEST}credential_paths: [../x]\n", "does not lead into the home"),
        (f"{SMALLEST}files: [{{path: a, content: '${{nobody}}'}}]\n", "unknown ${nobody}"),
        (f"{SMALLEST}files: [{{path: a, content: 'a $ b'}}]\n", "a lone $"),
        (f"{SMALLEST}providers: [{{id: Open AI}}]\n", "no provider's name"),
        (f"{SMALLEST}hosts: x\n", "hosts must be a list"),
        (SMALLEST.replace("[a]", "[]"), "command is missing"),
        (SMALLEST.replace("description: A", "description: ''"), "description must be a text"),
        (SMALLEST.replace("example.com/a", "'${home}/a'"), "${home}"),
    ],
)
def test_a_wrong_definition_names_file_and_key(text: str, says: str) -> None:
    with pytest.raises(BboxError, match=re.escape(says)) as caught:
        decode(text)

    assert caught.value.code is ErrorCode.AGENT_INVALID


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = ("env", "memory", "resources", "providers", "hosts", "files", "credential_paths", "image")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, YAML)))
def test_any_values_are_an_agent_or_refused(values: dict[str, object]) -> None:
    members = {"name": "a", "description": "A", "image": "a", "command": ["a"], **values}
    try:
        decode_agent(Document(members=members, place="a.yaml"), "registry.example.com")
    except BboxError as error:
        area = error.code.partition(".")[0]
    else:
        area = "agent"

    assert area in {"agent", "egress", "image"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_entry_of_settings_names_a_place_of_credentials(path: Path) -> None:
    for entry in decode(path.read_text()).settings:
        assert credential_reason(entry.host_path) is None
        assert entry.fields.allow or entry.kind is not SettingsKind.MERGE_FILE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{path: /etc/passwd, category: rules}", "does not lead into the home"),
        ("{path: a/../../b, category: rules}", "does not lead into the home"),
        ("{path: a, guest_path: ../b, category: rules}", "does not lead into the home"),
        ("{path: a, category: hooks}", "category is 'hooks', and must be one of settings, "),
        ("{path: a, category: rules, kind: merge-file}", "format belongs to a merge-file"),
        ("{path: a, category: rules, format: json}", "format belongs to a merge-file"),
        ("{path: a, category: rules, kind: merge-file, format: ini}", "must be one of json, "),
        ("{path: a, category: rules, extra: 1}", "unknown keys: extra"),
        ("{category: rules}", "path must be a text"),
    ],
)
def test_what_is_wrong_with_an_entry_of_settings_is_said(text: str, says: str) -> None:
    with pytest.raises(BboxError) as caught:
        decode(f"{SMALLEST}settings: [{text}]\n")
    assert says in caught.value.cause


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_agent_says_where_it_reads_its_mcp_servers(path: Path) -> None:
    registration = decode(path.read_text()).mcp_servers
    assert registration is not None
    before = {registration.servers: {"mine": {"x": 1}}, "model": "m"}
    after = registration.registered(before, "http://gw/mcp")
    assert after["model"] == "m"
    assert list(after[registration.servers]) == ["mine", "sandbox-tools"]  # type: ignore[call-overload]  # a mapping, as before


def test_a_list_of_servers_that_is_no_mapping_is_replaced() -> None:
    registration = BuiltinAgents().get("codex").mcp_servers
    assert registration is not None
    after = registration.registered({"mcp_servers": "nonsense"}, "http://gw/mcp")
    assert after == {"mcp_servers": {"sandbox-tools": {"url": "http://gw/mcp"}}}
