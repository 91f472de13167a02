# SPDX-License-Identifier: Apache-2.0
"""A key and a login are used for the agent, and are nowhere that the guest could have them from."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from demo.mock_model import MockModel
from demo.script import Script, Turn
from demo.search import GUEST_MEMORY, Search
from tests.vm.bbox_command import Bbox, own_bbox
from tests.vm.codex_login import codex_login, codex_token, token_endpoint
from tests.vm.session_processes import command_line, descendants, host_of, of_kind, wait_until

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

KEY: Final = "sk-proj-0123456789-the-host-alone-has-this-key"
STALE: Final = codex_token("the-login-that-ends", time.time() + 60)
ACCESS: Final = codex_token("the-login-that-was-renewed", time.time() + 3600)
REFRESH: Final = "refresh-the-host-alone-has-this"
RENEWED: Final = "refresh-the-host-alone-got-this"
SECRETS: Final = (KEY, STALE, ACCESS, REFRESH, RENEWED)
# Two workers read this file, not in the same second: names of tests can't have the time in them.
IDS: Final = ("key", "stale", "access", "refresh", "renewed")
MARK: Final = "the-guest-wrote-this-to-its-disk"
CONFIG: Final = """
agents:
  codex:
    providers:
      acme:
        base_url: {url}
        key: ACME_KEY
        env: {{ACME_URL: "${{base_url}}", ACME_PLACEHOLDER: "${{placeholder}}"}}
"""
# Codex hides variables with KEY in their name from its commands; its own process has them.
SNEAK: Final = f"""
cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' >all
sed -n 's/^OPENAI_API_KEY=//p' all | head -n 1 >placeholder && rm all
env >environment
curl -sS -m 60 -H "Authorization: Bearer $(cat placeholder)" "$ACME_URL/models" >models
echo {MARK} >~/mark && sync
touch ready; for _ in $(seq 600); do [ -e ~/never ] || sleep 0.1; done
"""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Where the secrets, the placeholder and the mark were found while the agent ran."""

    memory: set[str]
    daemons: set[str]
    proxy: set[str]
    scratch: set[str]
    files: dict[str, set[str]]
    words: set[str]
    environments: set[str]
    placeholder: str
    uses: list[int]
    kept: str


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    workspace = tmp_path_factory.mktemp("secret")
    home = tmp_path_factory.mktemp("home")
    login = home / ".codex/auth.json"
    login.parent.mkdir()
    login.write_bytes(codex_login(STALE, REFRESH))
    script = Script(turns=(Turn(say="Looking around.", run=SNEAK),), final="Done.")
    renewed = {"access_token": ACCESS, "refresh_token": RENEWED}
    with (
        MockModel(script, key=ACCESS) as model,
        MockModel(script, key=KEY) as acme,
        token_endpoint(renewed) as endpoint,
        own_bbox(
            {
                "HOME": str(home),
                "OPENAI_API_KEY": "",
                "CODEX_API_KEY": "",
                "OPENAI_BASE_URL": model.url,
                "CODEX_REFRESH_TOKEN_URL_OVERRIDE": endpoint,
                "ACME_KEY": KEY,
            }
        ) as bbox,
    ):
        config = bbox.home / "config/broodbox/config.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(CONFIG.format(url=acme.url))
        process = bbox.start("codex", "--", "exec", "look", cwd=workspace)
        try:
            yield _search(bbox, workspace, (model, acme), login)
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _search(
    bbox: Bbox, workspace: Path, models: tuple[MockModel, MockModel], login: Path
) -> Searched:
    wait_until(lambda: bbox.sessions(workspace), 20, "a session")
    session = bbox.sessions(workspace)[0]["id"]
    directory = bbox.session_directory(session)
    upper = directory / "upper/u"
    wait_until((upper / "ready").exists, 120, "the agent's first command")
    placeholder = (upper / "placeholder").read_text().strip()
    needles = (*SECRETS, placeholder, MARK)
    # The host has the user's environment and files, and hands the keys to the proxy.
    host = host_of(session)
    processes = descendants(host)
    qemu = of_kind(processes, "qemu")[0]
    proxies = of_kind(processes, "proxy")
    others = [one for one in processes if one not in proxies]
    memory, scratch, daemons, proxy = (Search(needles=needles) for _ in range(4))
    memory.descriptors(qemu, GUEST_MEMORY)
    scratch.descriptors(qemu, f"{directory}/")
    assert memory.opened
    assert scratch.opened
    for one in others:
        daemons.memory(one)
    for one in proxies:
        proxy.memory(one)
    words = b"".join(map(command_line, (host, *processes)))
    environments = [Path(f"/proc/{one}/environ").read_bytes() for one in processes]
    return Searched(
        memory=memory.found,
        daemons=daemons.found,
        proxy=proxy.found,
        scratch=scratch.found,
        files=_in_files((directory, bbox.home / "run", workspace), needles),
        words=_in(words, needles),
        environments=_in(b"".join(environments), needles),
        placeholder=placeholder,
        uses=[sum(one.is_authorized for one in model.requests) for model in models],
        kept=login.read_text(),
    )


def _in(content: bytes, needles: tuple[str, ...]) -> set[str]:
    search = Search(needles=needles)
    search.content(content)
    return search.found


def _in_files(roots: tuple[Path, ...], needles: tuple[str, ...]) -> dict[str, set[str]]:
    """Look into every file; those with a needle, by name."""
    found = {}
    for path in (path for root in roots for path in root.rglob("*")):
        if path.is_file() and (hits := _in(path.read_bytes(), needles)):
            found[path.name] = hits
    return found


def test_the_search_finds_what_is_there(searched: Searched) -> None:
    assert searched.placeholder
    assert searched.placeholder not in SECRETS
    assert searched.placeholder in searched.memory
    assert MARK in searched.memory
    assert MARK in searched.scratch
    assert searched.files["placeholder"] == {searched.placeholder}
    assert {KEY, ACCESS} <= searched.proxy


def test_the_login_and_the_key_were_used(searched: Searched) -> None:
    by_login, by_key = searched.uses
    assert by_login >= 1
    assert by_key == 1


def test_the_login_was_renewed_and_kept(searched: Searched) -> None:
    tokens = json.loads(searched.kept)["tokens"]
    assert (tokens["access_token"], tokens["refresh_token"]) == (ACCESS, RENEWED)


@pytest.mark.parametrize("secret", SECRETS, ids=IDS)
def test_no_key_is_in_the_guests_memory_nor_on_its_disks(searched: Searched, secret: str) -> None:
    assert secret not in searched.memory
    assert secret not in searched.scratch
    assert all(secret not in hits for hits in searched.files.values())


@pytest.mark.parametrize("secret", SECRETS, ids=IDS)
def test_no_key_is_in_a_daemon_but_the_proxy(searched: Searched, secret: str) -> None:
    assert secret not in searched.daemons


def test_what_renews_a_login_is_not_even_in_the_proxy(searched: Searched) -> None:
    assert not {REFRESH, RENEWED} & searched.proxy


@pytest.mark.parametrize("secret", SECRETS, ids=IDS)
def test_no_key_is_in_a_command_line_or_an_environment(searched: Searched, secret: str) -> None:
    assert secret not in searched.words
    assert secret not in searched.environments
