# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.files import DiskConfigFiles
from bbox_server.infra.config.kept_rules import ConfigKeptRules, with_host
from bbox_server.infra.config.template import template

RULE = HostRule(name="new.test", ports=(22,))
HOST = {"name": "new.test", "ports": [22]}

TEXTS = {
    "nothing": "",
    "a comment": "# mine\n",
    "another key": "version: 1\n",
    "no end of line": "defaults:\n  cpus: 2",
    "an empty section": "network:\n",
    "an empty section before another": "network: # later\ndefaults:\n  cpus: 2\n",
    "a list": "network:\n  allow_hosts:\n    - name: a.test\n      ports: [443]\n",
    "a list with comments": (
        "network:\n  allow_hosts:\n    - name: a.test # mine\n    # the other\n"
        "    - name: b.test\n# the end\ndefaults:\n  cpus: 2\n"
    ),
    "a list without indentation": "network:\n  allow_hosts:\n  - name: a.test\ndefaults: {}\n",
    "a list in brackets": "network:\n  allow_hosts: [{name: a.test}] # mine\n",
    "an empty list": "network:\n  allow_hosts: []\n",
    "no end of line in a list": "network:\n  allow_hosts:\n    - name: a.test",
    "the template": template(),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_host_is_added_and_nothing_else_is_changed(text: str) -> None:
    before = yaml.safe_load(text) or {}
    after = yaml.safe_load(changed := with_host(text, RULE))
    known = (before.get("network") or {}).get("allow_hosts") or []
    assert after["network"]["allow_hosts"] == [*known, HOST]
    assert {**after, "network": None} == {**before, "network": None}
    comments = [line[line.index("#") :] for line in text.splitlines() if "#" in line]
    assert all(comment in changed for comment in comments)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_host_twice_is_the_same(text: str) -> None:
    once = with_host(text, RULE)
    assert with_host(once, RULE) == once


@pytest.mark.parametrize(
    "text", ["- a\n", "network: 3\n", "network:\n  allow_hosts: x\n", "a: [\n", "network: {}\n"]
)
def test_a_file_that_has_no_place_for_it_stays_and_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(BboxError, match=r"new\.test:22") as raised:
        ConfigKeptRules(path=HostPath(str(path))).keep(RULE)
    assert raised.value.code is ErrorCode.CONFIG_INVALID
    assert path.read_text() == text


def test_the_next_session_reads_it_from_the_users_file(tmp_path: Path) -> None:
    files = DiskConfigFiles(directory=tmp_path / "broodbox")
    path = files.user_path(None)
    ConfigKeptRules(path=path).keep(RULE)
    assert files.user(None).config.network.allow_hosts == (RULE,)
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("# mine\n")
    link = tmp_path / "config.yaml"
    link.symlink_to("real.yaml")
    ConfigKeptRules(path=HostPath(str(link))).keep(RULE)
    assert link.is_symlink()
    assert "new.test" in (tmp_path / "real.yaml").read_text()


def test_a_directory_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BboxError) as raised:
        ConfigKeptRules(path=HostPath(str(tmp_path / "file/config.yaml"))).keep(RULE)
    assert raised.value.code is ErrorCode.DIRECTORY_UNUSABLE


@given(st.text("network:allow_hosts- #\n[]{}a", max_size=60))
@settings(deadline=None)
def test_any_text_is_changed_rightly_or_refused_in_known_ways(text: str) -> None:
    try:
        changed = with_host(text, RULE)
    except (ValueError, yaml.YAMLError):
        return
    assert HOST in yaml.safe_load(changed)["network"]["allow_hosts"]
