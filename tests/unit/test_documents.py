# SPDX-License-Identifier: Apache-2.0
import re
from typing import Final

import pytest

from tests.unit.tracked_files import ROOT, tracked_files

PAGES: Final = [name for name in tracked_files() if name.endswith(".md")]
BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#]+)")
MAKE: Final = re.compile(r"(?:^|`|&& )make ([a-z][a-z0-9-]*)", re.MULTILINE)
PARTS: Final = ["Context", "Decision", "Consequences", "What would change our mind"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    place = (ROOT / page).parent
    links = LINK.findall((ROOT / page).read_text())
    assert [link for link in links if not (place / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_make_knows_the_targets_that_pages_name(page: str) -> None:
    rules = (ROOT / "Makefile").read_text()
    known = set(re.findall(r"^([a-z][\w-]*)\b.*:.*## ", rules, re.MULTILINE))
    known.update(re.findall(r"^AGENT_IMAGES := (.*)$", rules, re.MULTILINE)[0].split())
    named = set(MAKE.findall((ROOT / page).read_text()))
    assert sorted(target for target in named - known if not target.startswith("e2e-")) == []


def test_the_contributors_first_commands_are_make_targets() -> None:
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
    assert [line for block in blocks for line in block.splitlines()] == ["make setup", "make check"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/adr/0")])
def test_decisions_have_the_same_parts(page: str) -> None:
    text = (ROOT / page).read_text()
    assert text.startswith(f"# {page.removeprefix('docs/adr/')[:4]} ")
    assert re.search(r"^(Accepted, \d{4}-\d\d-\d\d|Superseded by \d{4})\.", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS
