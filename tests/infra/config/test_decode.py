# SPDX-License-Identifier: Apache-2.0
"""Config files decoded (compat CFG-04 to CFG-19): every key, every fault with its place."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.config.agent_section import McpMode
from bbox_server.domain.config.listing import listed
from bbox_server.domain.config.mcp_section import AuthzProfile, ConflictResolution, Seconds
from bbox_server.domain.config.problem import FindingKind, Layer, Position
from bbox_server.domain.config.sections import Config
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.settings import SettingsCategory, SettingsFormat, SettingsKind
from bbox_server.infra.config.decode import decode_config
from bbox_server.infra.config.schema import all_keys

WHOLE = """\
defaults: {cpus: 4, memory: 4g, tmp_size: 512, egress_profile: locked}
workspace: {mode: direct}
review: {enabled: yes, auto_accept: false, exclude_patterns: ["*.log"]}
network:
  allow_hosts:
    - {name: API.example.com, ports: [443, 8443], protocol: 6}
  services: [{name: tickets, port: 8080}]
  proxy: http://proxy.example.com:3128
image: {pull: if-not-present}
mcp:
  enabled: true
  group: team
  port: 4500
  session_ttl: 1h30m
  authz: {profile: observe}
  config:
    authz: {policies: ["permit(principal, action, resource);"]}
    aggregation:
      conflict_resolution: Priority
      prefix_format: "{workload}_"
      priority_order: [github]
      exclude_all_tools: false
      tools:
        - {workload: w, filter: [a], overrides: {x: {name: y, description: z}}, exclude_all: true}
git: {forward_token: true, forward_ssh_agent: false}
settings_import: {enabled: true, categories: {skills: off}}
auth: {save_credentials: true, seed_host_credentials: false}
runtime: {firmware_download: false}
agents:
  acme:
    image: ghcr.io/acme/agent:1
    description: Acme
    command: [acme, --fast]
    env_forward: [ACME_*]
    default_env: {PORT: 8080, ANSWER: no, VERSION: 1.10}
    env_required: [ACME_TOKEN]
    credentials: {persist: [.acme/login]}
    settings:
      - {category: settings, host_path: .acme/a, guest_path: .b, kind: merge-file, format: toml,
         optional: true, allow_keys: [theme]}
    cpus: 1
    memory: 1024
    tmp_size: 1g
    egress_profile: standard
    egress_hosts: {locked: [{name: a.dev}], standard: [{name: b.dev, ports: [22]}], permissive: []}
    allow_hosts: [{name: c.dev}]
    providers:
      acme-ai:
        base_url: https://api.acme.dev/v1/
        key: ACME_KEY
        header: X-Acme-Key
        prefix: "Token "
        env: {ACME_URL: "${base_url}", ACME_TOKEN: "${placeholder}"}
    mcp:
      enabled: false
      mode: config
      authz: {profile: custom}
      inject: [{guest_path: .c.json, format: json, merge: {a: [1, true, 1.5, "x", null]}}]
    settings_import: {enabled: false, categories: {rules: false}}
keys: {requests: 2000, requests_per_minute: 60, data: 500m}
"""


def decoded(text: str, layer: Layer = Layer.GLOBAL) -> Config:
    found = decode_config(text.encode(), layer=layer, file="f")
    assert found.findings == ()
    return found.config


def faults(text: str) -> list[str]:
    return [str(one) for one in decode_config(text.encode(), layer=Layer.GLOBAL, file="f").findings]


def test_every_key_is_decoded() -> None:
    config = decoded(WHOLE)
    assert config.workspace.mode is WorkspaceMode.DIRECT
    assert (config.defaults.memory, config.defaults.tmp_size) == (4096, 512)
    assert config.review.enabled is True
    assert config.image.pull is PullPolicy.IF_NOT_PRESENT
    assert [str(rule) for rule in config.network.allow_hosts or ()] == ["api.example.com:443,8443"]
    assert config.network.services == (HostService(name="tickets", port=8080),)
    assert config.network.proxy == "http://proxy.example.com:3128"
    assert config.mcp.session_ttl == Seconds(5400)
    assert config.mcp.authz.profile is AuthzProfile.OBSERVE
    assert config.mcp.config is not None
    assert config.mcp.config.aggregation is not None
    assert config.mcp.config.aggregation.conflict_resolution is ConflictResolution.PRIORITY
    assert config.settings_import.categories == {SettingsCategory.SKILLS: False}


def test_every_key_of_an_agent_is_decoded() -> None:
    agent = decoded(WHOLE).agents["acme"]
    assert agent.default_env == {"PORT": "8080", "ANSWER": "no", "VERSION": "1.10"}
    assert agent.settings is not None
    (entry,) = agent.settings
    assert (entry.kind, entry.format) == (SettingsKind.MERGE_FILE, SettingsFormat.TOML)
    assert agent.egress_hosts is not None
    assert agent.egress_hosts[EgressProfile.PERMISSIVE] == ()
    assert agent.mcp.mode is McpMode.CONFIG
    assert agent.mcp.inject is not None
    assert agent.mcp.inject[0].merge == {"a": [1, True, 1.5, "x", None]}


def test_the_file_of_these_tests_has_every_key_of_the_schema() -> None:
    known = {str(path[-1]) for path, _ in all_keys()} - set(SettingsCategory)
    assert [name for name in sorted(known) if not re.search(rf"\b{name}:", WHOLE)] == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~\n", "\ufeff# mark\n", "{}"])
def test_an_empty_file_is_an_empty_config(text: str) -> None:
    assert decoded(text) == Config()


@pytest.mark.parametrize("text", ["defaults:\n", "agents:\n  codex:\n", "review: {enabled: }"])
def test_a_key_without_a_value_is_not_set(text: str) -> None:
    assert list(listed(decoded(text))) == []


def test_an_empty_list_is_not_an_unset_one() -> None:
    agents = decoded("agents: {codex: {env_forward: []}, gemini: {}}").agents
    assert (agents["codex"].env_forward, agents["gemini"].env_forward) == ((), None)


def test_anchors_and_merges_work_as_elsewhere() -> None:
    text = "agents:\n  a: &a {cpus: 2, memory: 1g}\n  b: {<<: *a, cpus: 3}\n"
    agents = decoded(text).agents
    assert (agents["b"].cpus, agents["b"].memory) == (3, 1024)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("defualts: {}", "f:1:1: defualts: unknown field; did you mean defaults?"),
        ("cpus: 2", "f:1:1: cpus: unknown field; there is defaults.cpus"),
        ("env_forward: []", "there is agents.NAME.env_forward"),
        ("\ndefaults:\n  cpu: 4\n", "f:3:3: defaults.cpu: unknown field; did you mean cpus?"),
        ("defaults: [1]", "f:1:1: defaults: it must be a mapping of keys"),
        ("defaults: {cpus: -1}", "f:1:12: defaults.cpus: it must be a whole number"),
        ('defaults: {cpus: "2"}', "it must be a whole number"),
        ("defaults: {cpus: 010x}", "it must be a whole number"),
        ("defaults: {memory: 4gb}", "unknown suffix"),
        ("defaults: {memory: [4]}", "it must be a size"),
        ("defaults: {egress_profile: lokced}", "did you mean locked?"),
        ("workspace: {mode: fast}", "workspace.mode: 'fast' is none of: snapshot, direct"),
        ("image: {pull: junk}", "'junk' is none of"),
        ("review: {enabled: maybe}", "it must be true or false, not 'maybe'"),
        ('review: {enabled: "true"}', "it must be true or false"),
        ("review: {exclude_patterns: '*.log'}", "it must be a list"),
        ("mcp: {session_ttl: -1h}", "non-negative"),
        ("mcp: {session_ttl: 5}", "it must be a duration"),
        ("mcp: {port: 0}", "a port must be"),
        ("mcp: {authz: {profile: junk}}", "'junk' is none of"),
        ("mcp: {config: {authz: {}}}", "authz.policies must be non-empty"),
        ("network: {allow_hosts: [{name: '*.com'}]}", "f:1:26: network.allow_hosts[0].name"),
        ("network: {allow_hosts: [{ports: [1]}]}", "allow_hosts[0].name: it is missing"),
        ("network: {allow_hosts: [{name: a.b, ports: [0]}]}", "allow_hosts[0].ports[0]: a port"),
        ("network: {allow_hosts: [{name: a.b, protocol: 1}]}", "a protocol must be"),
        ("network: {services: [{name: A, port: 1}]}", "services[0].name: 'A' is no name"),
        ("network: {services: [{name: a, port: 4484}]}", "services[0].port: Port 4484"),
        ("network: {services: [{name: a}]}", "services[0].port: it is missing"),
        (
            "network: {services: [{name: a, port: 1}, {name: a, port: 2}]}",
            "f:1:11: network.services: The service a:2 has the name",
        ),
        ("network: {proxy: 'socks5://a'}", "network.proxy: The proxy for the guest's network"),
        ("network: {proxy: 'http://u:p@a'}", "network.proxy: a password has no place"),
        ("agents: {a: {env_forward: ['*_K']}}", "agents.a.env_forward[0]: '*_K': leading star"),
        ("agents: {a: {image: 'A B'}}", "agents.a.image"),
        ("agents: {a: {command: acme}}", "it must be a list"),
        ("agents: {a: {default_env: {A: [1]}}}", "it must be a text, not a list"),
        ("keys: {requests: 0}", "f:1:8: keys.requests: it must be a whole number from 1"),
        ("keys: {requests_per_minute: 1.5}", "it must be a whole number from 1 to 1000000"),
        ("keys: {requests: 99999999999999999999}", "it must be a whole number from 1"),
        ("keys: {data: 0}", "it must be from 1m to 1048576m"),
        ("keys: {data: 9x}", "keys.data"),
        ("keys: {data: []}", "it must be a size"),
        ("keys: {request: 1}", "did you mean requests?"),
        ("a: 1\na: 2", "f:2:1: the key 'a' is there twice"),
        ("bad: [", "no valid YAML"),
        ("a: *b", "has no anchor before it"),
        ("a: !!python/object:os.system {}", "has no meaning here"),
        ("? [a]\n: 1", "a key must be a text"),
        ("- 1", "f:1:1: it must be a mapping of keys"),
        ("[" * 40, "nested deeper"),
    ],
)
def test_a_fault_names_its_place_and_what_is_wrong(text: str, fault: str) -> None:
    assert any(fault in one for one in faults(text)), faults(text)


def test_all_faults_are_reported_at_once() -> None:
    text = "defaults: {cpus: x, memory: y}\nnope: 1\nworkspace: {mode: z}\n"
    assert len(faults(text)) == 4


def test_the_right_values_beside_a_wrong_one_stay() -> None:
    text = "defaults: {cpus: x, memory: 1g}\nagents: {codex: {env_forward: [A, '*', B]}}"
    found = decode_config(text.encode(), layer=Layer.WORKSPACE, file="f").config
    assert (found.defaults.cpus, found.defaults.memory) == (None, 1024)
    assert found.agents["codex"].env_forward == ("A", "B")


def test_a_host_with_a_wrong_port_is_no_host_with_other_ports() -> None:
    text = "network: {allow_hosts: [{name: a.dev, ports: [0]}, {name: b.dev}]}"
    found = decode_config(text.encode(), layer=Layer.WORKSPACE, file="f").config
    assert [rule.name for rule in found.network.allow_hosts or ()] == ["b.dev"]


def test_a_mode_that_nobody_knows_is_the_strict_one() -> None:
    found = decode_config(b"workspace: {mode: bogus}", layer=Layer.WORKSPACE, file="f").config
    assert found.workspace.mode is WorkspaceMode.SNAPSHOT


def test_udp_opens_nothing_and_says_so() -> None:
    text = b"network: {allow_hosts: [{name: a.dev, protocol: 17}]}"
    found = decode_config(text, layer=Layer.GLOBAL, file="f")
    assert found.config.network.allow_hosts == ()
    assert [one.kind for one in found.findings] == [FindingKind.UNUSED]


def test_a_second_document_is_not_read_and_that_is_said() -> None:
    found = decode_config(b"defaults: {cpus: 1}\n---\nnope: 1\n", layer=Layer.GLOBAL, file="f")
    assert found.config.defaults.cpus == 1
    assert [one.kind for one in found.findings] == [FindingKind.UNUSED]


def test_aliases_can_not_make_a_file_explode() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))]
    assert "aliases make it too large" in faults("\n".join(lines))[0]


def test_so_many_faults_are_named_and_the_rest_is_counted() -> None:
    found = faults("".join(f"k{number}: 1\n" for number in range(5000)))
    assert len(found) == 101
    assert "4900 more faults" in found[0]


def test_a_file_of_many_values_is_not_read_to_its_end() -> None:
    assert "more than 20000 keys and values" in faults("- a\n" * 200_000)[0]


def test_every_value_knows_where_it_stands() -> None:
    found = decode_config(WHOLE.encode(), layer=Layer.GLOBAL, file="f")
    assert found.positions["agents", "acme", "image"] == Position(line=31, column=5)
    assert found.origin(("agents", "acme", "image")).file == "f"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["locked", "4g", "*.a.dev", "A*", "snapshot", "custom", "1h", "~", "<<", "&a"]),
)
NAMES = st.one_of(
    st.sampled_from(sorted({str(path[-1]) for path, _ in all_keys()})), st.text(max_size=4)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)


@given(TREES, st.sampled_from(Layer))
def test_any_document_is_a_config_and_its_faults(tree: object, layer: Layer) -> None:
    content = yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")
    found = decode_config(content, layer=layer, file="f")
    assert isinstance(found.config, Config)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_and_their_faults(content: bytes) -> None:
    assert isinstance(decode_config(content, layer=Layer.WORKSPACE, file="f").config, Config)


@given(st.text(alphabet="&*!<>|:-?[]{},#'\"\\ \n\tab0~%@", max_size=60))
def test_any_yaml_marks_are_a_config_and_their_faults(text: str) -> None:
    found = decode_config(text.encode(), layer=Layer.WORKSPACE, file="f")
    assert isinstance(found.config, Config)
