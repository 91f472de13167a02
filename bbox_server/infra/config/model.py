# SPDX-License-Identifier: Apache-2.0
"""The keys of a config file (compat CFG-05 to CFG-16): the one place that lists them.

The JSON schema for editors, the commented template and the page of keys are made from this.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from bbox_server.infra.config.keys_model import KeysModel
from bbox_server.infra.config.provider_model import ProviderModel, ProviderName
from bbox_server.infra.config.scalars import (
    AgentMcpMode,
    AnyValue,
    Authz,
    Category,
    Cpus,
    Duration,
    FileFormat,
    HostName,
    Image,
    Kind,
    Mode,
    OptionalText,
    Pattern,
    Port,
    Profile,
    Protocol,
    Pull,
    Resolution,
    Size,
    Switch,
    Text,
)
from bbox_server.infra.config.service_model import ProxyUrl, Services


class Section(BaseModel):
    """A mapping of known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


def key(description: str, example: object) -> Any:  # noqa: ANN401 (what pydantic.Field is typed as)
    """A key that need not be there."""
    return Field(default=None, description=description, examples=[example])


class HostModel(Section):
    """A host that may be reached."""

    name: HostName = Field(description="A host name; `*.` before it means names below it.")
    ports: tuple[Port, ...] | None = key("TCP ports; 443 and 80 when left out.", [443])
    protocol: Protocol = key("0 or 6 is TCP; 17, UDP, opens nothing.", 6)


class DefaultsModel(Section):
    """For every agent that says nothing else."""

    cpus: Cpus = key("Virtual CPUs.", 2)
    memory: Size = key("Memory of the guest; a plain number is MiB.", "4g")
    tmp_size: Size = key("Keep temporary files in memory, up to this size.", "512m")
    egress_profile: Profile = key("The loosest network profile that any agent gets.", "standard")


class WorkspaceModel(Section):
    """The workspace."""

    mode: Mode = key("A snapshot that is reviewed, or the files themselves.", "snapshot")


class ReviewModel(Section):
    """The end of a run."""

    enabled: Switch = key("Go straight to the review when the agent has ended.", example=True)
    auto_accept: Switch = key(
        "Apply ordinary changes unasked. In the global file only.", example=False
    )
    exclude_patterns: tuple[Text, ...] | None = key(
        "Paths that the agent doesn't see, as in a .gitignore.", ["*.sqlite", "data/"]
    )


class NetworkModel(Section):
    """What every guest may reach, beside its profile, and how."""

    allow_hosts: tuple[HostModel, ...] | None = key(
        "Hosts.", [{"name": "api.example.com", "ports": [443]}]
    )
    services: Services | None = key(
        "HTTP services of this host. In the global file only.", [{"name": "tickets", "port": 8080}]
    )
    proxy: ProxyUrl | None = key(
        "The HTTP proxy that this host needs, instead of HTTPS_PROXY; empty for none. "
        "In the global file only.",
        "http://proxy.example.com:3128",
    )


class ImageModel(Section):
    """Images."""

    pull: Pull = key("When a registry is asked for a newer image.", "background")


class PoliciesModel(Section):
    """Cedar policies."""

    policies: tuple[Text, ...] | None = key(
        "Policies, each as text.", ["permit(principal, action, resource);"]
    )


class ToolOverrideModel(Section):
    """What a tool is called."""

    name: OptionalText = key("Its name for the agent.", "search")
    description: OptionalText = key("Its description for the agent.", "Searches the tracker.")


class WorkloadModel(Section):
    """The tools of one server."""

    workload: Text = Field(description="The server.")
    filter: tuple[Text, ...] | None = key("Only these tools.", ["search"])
    overrides: dict[str, ToolOverrideModel] | None = key("Other names for tools.", {})
    exclude_all: Switch = key("None of its tools.", example=False)


class AggregationModel(Section):
    """How several servers become one."""

    conflict_resolution: Resolution = key("For two tools of one name.", "prefix")
    prefix_format: OptionalText = key("What stands before a tool's name.", "{workload}_")
    priority_order: tuple[Text, ...] | None = key("Whose tool wins.", ["github"])
    exclude_all_tools: Switch = key("No tools.", example=False)
    tools: tuple[WorkloadModel, ...] | None = key("By server.", [])


class McpFileModel(Section):
    """Policies and aggregation; also the file of --mcp-config."""

    authz: PoliciesModel | None = key("Who may call what.", {})
    aggregation: AggregationModel | None = key("How servers are put together.", {})


class AuthzModel(Section):
    """Which profile authorizes."""

    profile: Authz = key("From strict to loose; custom is mcp.config's policies.", "safe-tools")


class McpModel(Section):
    """MCP servers for the agent."""

    enabled: Switch = key("Whether there are any.", example=True)
    group: OptionalText = key("The group of servers.", "default")
    port: Port | None = key("The proxy's port for the guest.", 4483)
    config: McpFileModel | None = key("Policies and aggregation.", {})
    authz: AuthzModel | None = key("Which profile authorizes.", {})
    session_ttl: Duration = key("How long an idle session stays.", "12h")


class GitModel(Section):
    """What of your git access the guest may use, served from the host."""

    forward_token: Switch = key("GitHub's token.", example=False)
    forward_ssh_agent: Switch = key("The SSH agent.", example=False)


class CategoriesModel(Section):
    """By category; all are carried unless they are off."""

    settings: Switch = key("Settings files.", example=True)
    instructions: Switch = key("CLAUDE.md, AGENTS.md and the like.", example=True)
    rules: Switch = key("Rules.", example=True)
    agents: Switch = key("Agents.", example=True)
    skills: Switch = key("Skills.", example=True)
    commands: Switch = key("Commands and prompts.", example=True)
    tools: Switch = key("Tools.", example=True)
    plugins: Switch = key("Plugins.", example=True)
    themes: Switch = key("Themes.", example=True)


class SettingsModel(Section):
    """Your own settings of an agent, carried into the guest."""

    enabled: Switch = key("Whether they are.", example=True)
    categories: CategoriesModel | None = key("By category.", {})


class AuthModel(Section):
    """An agent's own login. In the global file only."""

    save_credentials: Switch = key("Keep it for the next run.", example=True)
    seed_host_credentials: Switch = key("Start with the host's.", example=False)


class RuntimeModel(Section):
    """Accepted for compatibility."""

    firmware_download: Switch = key("No effect: nothing is downloaded at run time.", example=True)


class CredentialsModel(Section):
    """What a login leaves in the guest."""

    persist: tuple[Text, ...] | None = key("Paths below the guest's home.", [".acme/login.json"])


class SettingsEntryModel(Section):
    """A settings file or directory."""

    host_path: Text = Field(description="Below your home.")
    guest_path: OptionalText = key("Below the guest's home; the same when left out.", ".acme/x")
    kind: Kind = key("How it is carried.", "file")
    category: Category = key("What it is about.", "settings")
    format: FileFormat = key("How a merged file is written.", "json")
    optional: Switch = key("Whether it may be missing.", example=True)
    allow_keys: tuple[Text, ...] | None = key("Only these keys of a merged file.", ["theme"])


class InjectionModel(Section):
    """What tells the agent of its MCP servers."""

    guest_path: Text = Field(description="A file below the guest's home.")
    format: FileFormat = key("How it is written.", "json")
    merge: dict[str, AnyValue] | None = key("What is merged into it.", {"mcpServers": {}})


class AgentMcpModel(Section):
    """MCP servers for one agent."""

    enabled: Switch = key("Whether there are any.", example=True)
    mode: AgentMcpMode = key("How the agent learns of them.", "env")
    authz: AuthzModel | None = key("Which profile authorizes.", {})
    inject: tuple[InjectionModel, ...] | None = key("With mode config: into which files.", [])


class EgressHostsModel(Section):
    """By profile."""

    permissive: tuple[HostModel, ...] | None = key("Not needed: all are open.", [])
    standard: tuple[HostModel, ...] | None = key("In standard.", [{"name": "api.acme.dev"}])
    locked: tuple[HostModel, ...] | None = key("In locked.", [{"name": "api.acme.dev"}])


class AgentModel(Section):
    """Changes a built-in agent, or defines one of your own."""

    image: Image = key("The image; an agent of your own needs one.", "ghcr.io/acme/agent:1")
    description: OptionalText = key("One line for lists.", "Acme's agent")
    command: tuple[Text, ...] | None = key("The command, word by word.", ["acme", "--yes"])
    env_forward: tuple[Pattern, ...] | None = key(
        "Variables to carry from the host: names, or beginnings with a *.", ["ACME_*"]
    )
    default_env: dict[str, Text] | None = key("Variables of the guest.", {"ACME_MODE": "batch"})
    env_required: tuple[Text, ...] | None = key("Variables that must be set.", ["ACME_TOKEN"])
    credentials: CredentialsModel | None = key("What a login leaves.", {})
    settings: tuple[SettingsEntryModel, ...] | None = key("Settings files to carry.", [])
    cpus: Cpus = key("Virtual CPUs.", 2)
    memory: Size = key("Memory of the guest.", "4g")
    tmp_size: Size = key("Keep temporary files in memory, up to this size.", "512m")
    egress_profile: Profile = key("The network profile.", "standard")
    egress_hosts: EgressHostsModel | None = key("Hosts of an agent of your own, by profile.", {})
    allow_hosts: tuple[HostModel, ...] | None = key("More hosts.", [{"name": "api.example.com"}])
    providers: dict[ProviderName, ProviderModel] | None = key(
        "Providers of your own, whose keys stay on the host. In the global file only.", {}
    )
    mcp: AgentMcpModel | None = key("MCP servers.", {})
    settings_import: SettingsModel | None = key("Your own settings.", {})


class ConfigModel(Section):
    """bbox's configuration: ~/.config/broodbox/config.yaml, or .broodbox.yaml in a workspace."""

    defaults: DefaultsModel | None = key("For every agent that says nothing else.", {})
    workspace: WorkspaceModel | None = key("The workspace.", {})
    review: ReviewModel | None = key("The end of a run.", {})
    network: NetworkModel | None = key("What every guest may reach, beside its profile.", {})
    image: ImageModel | None = key("Images.", {})
    mcp: McpModel | None = key("MCP servers for the agent.", {})
    git: GitModel | None = key("What of your git access the guest may use.", {})
    settings_import: SettingsModel | None = key("Your own settings of an agent.", {})
    auth: AuthModel | None = key("An agent's own login. In the global file only.", {})
    keys: KeysModel | None = key("Limits for a session's use of your providers' keys.", {})
    runtime: RuntimeModel | None = key("Accepted for compatibility.", {})
    agents: dict[Annotated[str, Field(max_length=256)], AgentModel | None] | None = key(
        "Agents by name: changes of a built-in one, or one of your own.", {}
    )
