# SPDX-License-Identifier: Apache-2.0
"""The page about keys: its files are written, its commands run, its table compared."""

import re
from pathlib import Path

import pytest

from bbox_server.domain.config.agents import configured_agents
from bbox_server.domain.config.problem import Layer
from bbox_server.domain.credential import ROUTES
from bbox_server.domain.held_login import KINDS
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.infra.agents.registry import BuiltinAgents
from bbox_server.infra.config.decode import decode_config
from tests.entrypoints.test_config_commands import Shell
from tests.entrypoints.test_configuration_guide import BLOCK, played
from tests.unit.config.configs import BASELINE

LOGINS = "auth.json"
"""What tests/vm/test_guide_keys.py runs."""

PAGE = (Path(__file__).parents[2] / "docs/guide/keys.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (.*) \| `(\w+)` \|$", re.MULTILINE)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    return Shell(root=tmp_path)


def test_the_guides_examples_are_true(shell: Shell) -> None:
    home = str(shell.root / "config")
    blocks = [block for block in BLOCK.findall(PAGE) if LOGINS not in block[1]]
    assert [kind for kind, _ in blocks] == ["yaml", "console"] * 2
    for kind, text in blocks:
        if kind == "yaml":
            path = Path(text.splitlines()[0].removeprefix("# ").replace("~/.config", home))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        else:
            shown = played(shell, text.replace("~/.config", home))
            assert shown.replace(home, "~/.config") == text


def test_the_table_has_the_known_providers() -> None:
    table = {
        provider: (tuple(re.findall(r"`(\w+)`", keys)), base_url)
        for provider, keys, base_url in ROW.findall(PAGE.partition("## Logins")[0])
    }
    assert table == {
        route.provider: (route.credential.environment_names, route.upstream_variable)
        for route in ROUTES.values()
    }


def test_the_example_is_what_the_page_says() -> None:
    text = next(text for kind, text in BLOCK.findall(PAGE) if kind == "yaml")
    config = decode_config(text.encode(), layer=Layer.GLOBAL, file="f").config
    assert config.keys == KeyLimits(requests=2000, requests_per_minute=60, data=500)
    route = configured_agents(config, BASELINE.agents).get("opencode").providers[-1].own_route
    assert route is not None
    assert (route.credential.header.name, route.credential.header.prefix) == ("X-Acme-Key", "")


def test_the_table_of_logins_is_what_is_known() -> None:
    agents = BuiltinAgents()
    rows = {
        agent.name: KINDS[provider.login]
        for agent in agents.list()
        for provider in agent.providers
        if provider.login is not None
    }
    shown = {
        agent: tuple(re.findall(r"`([^`]+)`", rest))
        for agent, rest in re.findall(r"^\| `([\w-]+)` (\| `~/.*) \|$", PAGE, re.MULTILINE)
    }
    assert shown == {
        agent: tuple(filter(None, (f"~/{kind.path}", kind.token_variable, kind.endpoint_variable)))
        for agent, kind in rows.items()
    }
