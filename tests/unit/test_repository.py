# SPDX-License-Identifier: Apache-2.0
import re
import tomllib
from collections.abc import Iterator
from typing import Final

from docs.generate import pages
from tests.unit.registry_hosts import registry_hosts
from tests.unit.tracked_files import ROOT, output_of, text_of, tracked_files

LICENCE: Final = "SPDX-License-Identifier: Apache-2.0"
SOURCE_ENDS: Final = (
    *(".py", ".sh", ".toml", ".ts", ".mjs", ".yaml", ".yml"),
    *("Containerfile", "Makefile"),
)
TARGETS: Final = """
    help setup build build-guest fetch-runtime guest-pins test test-coverage check lint lint-fix fmt
    tidy verify install run demo demo-guarded bench bench-editor bench-egress soak clean docs
    upgrade image-base image-codex image-all image-pins image-push e2e-NAME
"""


def texts() -> Iterator[tuple[str, str]]:
    for name in tracked_files():
        text = text_of(name)
        if text is not None:
            yield name, text


def test_every_source_says_its_licence_first() -> None:
    silent = [
        name
        for name, text in texts()
        if name.endswith(SOURCE_ENDS) or text.startswith("#!")
        if LICENCE not in "\n".join(text.split("\n", 2)[:2])
    ]
    assert silent == []


def test_generated_pages_are_fresh() -> None:
    stale = [page.name for page, text in pages().items() if page.read_text() != text]
    assert stale == []


def test_suppressions_carry_their_reason() -> None:
    bare = re.compile(r"#\s*(noqa(:[\sA-Z0-9,]+)?|type:\s*ignore(\[[^]]*\])?)\s*$")
    silent = [
        f"{name}:{number}"
        for name, text in texts()
        if name.endswith(".py")
        for number, line in enumerate(text.splitlines(), 1)
        if bare.search(line)
    ]
    assert silent == []


def test_no_file_names_a_package_registry() -> None:
    hosts = registry_hosts()
    assert hosts
    named = [f"{name} names {host}" for name, text in texts() for host in hosts if host in text]
    assert named == []


def test_no_file_names_a_path_of_this_machine() -> None:
    shared = "/work/" + "shared", "/work/" + "main"
    named = [name for name, text in texts() if any(path in text for path in (str(ROOT), *shared))]
    assert named == []


def test_make_help_lists_every_target() -> None:
    shown = output_of(("make", "-s", "help"))
    assert sorted(line.split()[0] for line in shown.splitlines()) == sorted(TARGETS.split())


def test_ci_runs_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    commands = [line for line in lines if not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"
    assert commands[1].startswith("cd ")
    assert commands[2:] == ["exec make test </dev/null"]


def test_the_lock_holds_all_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[=<>~!\[]", entry)[0].lower() for entry in asked}
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert names <= set(locked)
