# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.egress.group import HostGroup
from bbox_server.domain.egress.rule import HostRule
from bbox_server.infra.egress.package_hosts import ClientPackageHosts
from bbox_server.infra.egress.package_urls import (
    apt_urls,
    cargo_default_url,
    cargo_urls,
    combined,
    configured,
    default,
    go_urls,
    npm_urls,
    pip_urls,
    uv_urls,
)

PIP = """\
:env:.disable-pip-version-check='1'
global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example:8443/simple'
global.index-url='https://user:secret@mirror.example/simple'
global.proxy='http://proxy.example:3128'
"""
NPM = """{"registry": "https://mirror.example/", "@corp:registry": "http://npm.corp.example:4873",
"https-proxy": "http://proxy.example", "cafile": null, "depth": 3}"""
CARGO = """
[source.crates-io]
replace-with = "mirror"
[source.mirror]
registry = "sparse+https://mirror.example/index/"
[registries.corp]
index = "https://git.corp.example/index"
[http]
proxy = "proxy.example:3128"
"""
UV = """
index-url = "https://one.example/simple"
[[index]]
name = "corp"
url = "https://two.example/simple"
"""
APT = """
# deb http://old.example/debian stable main
deb [arch=amd64] http://mirror.example/debian stable main
deb-src https://src.example/debian stable main
Types: deb
URIs: http://new.example/debian https://other.example/x
Signed-By: /usr/share/https://no.example
"""


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        (pip_urls(PIP), {"one.example", "two.example", "mirror.example"}),
        (npm_urls(NPM), {"mirror.example", "npm.corp.example"}),
        (cargo_urls(CARGO), {"mirror.example", "git.corp.example"}),
        (uv_urls(UV), {"one.example", "two.example"}),
        (apt_urls(APT), {"mirror.example", "src.example", "new.example", "other.example"}),
        (go_urls("https://a.example,direct\nsum.example"), {"a.example", "sum.example"}),
        (go_urls("https://a.example|https://b.example,off\noff"), {"a.example", "b.example"}),
        (go_urls("direct\nsum.example+1234+key https://db.example/x"), {"db.example"}),
        (go_urls("direct\nsum.example+1234+key"), {"sum.example"}),
        (("git+ssh://x", "file:///x", "/srv/wheels", "https://[::1]/", "http://10.0.0.1"), set()),
    ],
    ids=[
        *("pip", "npm", "cargo", "uv", "apt", "go", "go without sums", "go's other database"),
        *("go's key", "no names"),
    ],
)
def test_hosts_in_a_client_s_own_words(urls: tuple[str, ...], hosts: set[str]) -> None:
    assert {rule.name for rule in configured(urls)} == hosts


def test_a_password_in_an_address_stays_there() -> None:
    assert "secret" not in str(configured(pip_urls(PIP)))


def test_ports_are_the_address_s_own() -> None:
    rules = configured(("https://a.example", "http://b.example", "https://c.example:8443"))
    assert [rule.ports for rule in rules] == [(443,), (80, 443), (8443,)]


def test_what_a_user_configured_may_be_private_and_has_no_wildcard() -> None:
    (rule,) = configured(("https://mirror.corp.example/simple",))
    assert rule == HostRule(name="mirror.corp.example", ports=(443,), allow_private=True)


def test_a_default_brings_the_rest_of_its_vendor_s_domain() -> None:
    names = [rule.name for rule in default(("https://index.vendor.example/", "https://x.org"))]
    assert names == [
        *("index.vendor.example", "x.org", "vendor.example", "*.vendor.example", "*.x.org"),
    ]
    assert not any(rule.allow_private for rule in default(("https://index.vendor.example/",)))


def test_a_default_that_is_configured_again_is_not_private() -> None:
    url = ("https://index.vendor.example/",)
    assert not any(rule.allow_private for rule in combined(default(url), configured(url)))


def test_cargo_s_index_is_found_in_cargo() -> None:
    program = b"\x7fELF...sparse+https://index.example.com/\0..."
    assert cargo_default_url(program) == "https://index.example.com/"
    assert cargo_default_url(b"\x7fELF") == ""


@given(st.text(max_size=200))
def test_no_configuration_breaks_a_parser(text: str) -> None:
    for parse in (pip_urls, npm_urls, go_urls, cargo_urls, uv_urls, apt_urls):
        configured(parse(text))


def client(directory: Path, name: str, script: str) -> None:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def hosts(tmp_path: Path) -> ClientPackageHosts:
    (tmp_path / "apt").mkdir()
    (tmp_path / "home/.cargo").mkdir(parents=True)
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path / "home")}
    return ClientPackageHosts(environment=environment, apt=tmp_path / "apt")


async def group(hosts: ClientPackageHosts, name: str) -> HostGroup | None:
    return next((found for found in await hosts.groups() if found.name == name), None)


async def test_a_missing_client_has_no_group(hosts: ClientPackageHosts) -> None:
    assert [found.name for found in await hosts.groups()] in ([], ["python"])


async def test_a_client_that_hangs_or_fails_has_no_group(
    hosts: ClientPackageHosts, tmp_path: Path
) -> None:
    hurried = replace(hosts, deadline_s=0.5)
    client(tmp_path, "npm", "exec /bin/sleep 60")
    client(tmp_path, "go", "echo https://half.example; exit 1")
    assert await group(hurried, "node") is None
    assert await group(hurried, "go") is None


async def test_clients_are_asked_where_the_workspace_has_no_say(
    hosts: ClientPackageHosts, tmp_path: Path
) -> None:
    client(tmp_path, "go", 'test "$PWD" = / && echo https://go.example && echo off')
    found = await group(hosts, "go")
    assert found is not None
    assert found.rules[0].name == "go.example"


async def test_defaults_and_configuration_are_told_apart(
    hosts: ClientPackageHosts, tmp_path: Path
) -> None:
    client(
        tmp_path,
        "npm",
        'if [ "$2" = get ]; then echo https://npm.vendor.example/; '
        'else echo \'{"registry": "https://mirror.corp.example/"}\'; fi',
    )
    found = await group(hosts, "node")
    assert found is not None
    assert [(rule.name, rule.allow_private) for rule in found.rules] == [
        ("npm.vendor.example", False),
        ("vendor.example", False),
        ("*.vendor.example", False),
        ("mirror.corp.example", True),
    ]


async def test_pip_tells_its_own_default(hosts: ClientPackageHosts) -> None:
    found = await group(hosts, "python")
    # This very interpreter has pip, or the wheel that venv installs it from.
    assert found is not None
    assert found.rules[0].ports == (443,)


async def test_apt_s_sources_are_read_in_both_forms(
    hosts: ClientPackageHosts, tmp_path: Path
) -> None:
    parts = tmp_path / "apt/sources.list.d"
    parts.mkdir()
    (tmp_path / "apt/sources.list").write_text("deb http://one.example/debian stable main\n")
    (parts / "two.sources").write_text("Types: deb\nURIs: http://two.example/debian\n")
    found = await group(hosts, "system")
    assert found is not None
    assert {rule.name for rule in found.rules} == {"one.example", "two.example"}
