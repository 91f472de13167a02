# SPDX-License-Identifier: Apache-2.0
"""Settings: stripping, filters, merging, MCP entries, and what a home with faults gives."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.fields import FieldFilter, merged
from bbox_server.domain.jsonc import strip_jsonc
from bbox_server.domain.mcp_registration import expanded
from bbox_server.domain.settings import (
    CarriedSettings,
    SettingsCategory,
    SettingsEntry,
    SettingsFormat,
    SettingsImport,
    SettingsKind,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.agents.registry import BuiltinAgents
from bbox_server.infra.settings.disk import DiskSettings
from tests.vectors.case import Case, UnknownKindError
from tests.vectors.trees import directory

BUILT_IN: Final = "filter_builtin_"
NEVER: Final = "never written back"
"""Of every question about the way from the guest to the host: there is none (P-34)."""
SKIPPED: Final = "skipped with warning"


def answer(case: Case) -> object:
    if case.kind.startswith(BUILT_IN):
        return built_in(case.kind.removeprefix(BUILT_IN)).fields.apply(case.input)
    if case.kind not in ANSWERS:
        raise UnknownKindError
    return ANSWERS[case.kind](case.input)


def accepts(case: Case, answer: object) -> bool:
    """Of a tightened choice the case names a part; what is never written overwrites nothing."""
    if case.kind == "tighten":
        import_ = answer
        assert isinstance(import_, SettingsImport)
        return all(said(import_, name) == expected for name, expected in case.expect.items())
    if answer == NEVER:
        return case.expect in ("not overwritten", "skipped")
    if case.kind == "limit":
        return met(str(answer), str(case.expect))
    return bool(answer == case.expect)


def met(answer: str, expected: str) -> bool:
    """Errors have words of their own; what is left out silently there is named here."""
    is_error = answer == "error" and expected.startswith("error")
    return answer == expected or is_error or (answer == SKIPPED and "skipped" in expected)


def built_in(agent: str) -> SettingsEntry:
    manifest = BuiltinAgents().get(agent).settings
    return next(entry for entry in manifest if entry.kind is SettingsKind.MERGE_FILE)


def choice(given: dict[str, Any] | None) -> SettingsImport:
    given = given or {}
    categories = {
        SettingsCategory(name): value for name, value in (given.get("categories") or {}).items()
    }
    return SettingsImport(enabled=given.get("enabled"), categories=categories)


def tightened(given: dict[str, Any]) -> SettingsImport:
    return choice(given["global"]).tightened(choice(given["local"]))


def said(import_: SettingsImport, name: str) -> object:
    if name == "enabled":
        return import_.enabled
    category = SettingsCategory(name)
    if category in import_.categories:
        return import_.categories[category]
    return "enabled(default)" if import_.carries(category) else False


def mcp_config(given: dict[str, Any]) -> dict[str, object]:
    registration = BuiltinAgents().get(given["agent"]).mcp_servers
    assert registration is not None
    address = f"http://{given['gateway']}:{given['port']}/mcp"
    data = registration.registered(
        given["existing"] or {}, address, has_login=given.get("has_credentials_file", False)
    )
    return {"file": f"~/{registration.path}", "data": data}


async def limit(question: str) -> str:
    if question.startswith("extract"):
        return NEVER
    if "destination" in question:
        # Files are written in the guest, by the guest's own user: a link leads nowhere else.
        return "written in the guest"
    with directory() as root:
        entry = lay_out(root, question)
        try:
            found = await DiskSettings().read(HostPath(str(root)), (entry,), {})
        except BboxError:
            return "error"
    return outcome(found)


def lay_out(root: Path, question: str) -> SettingsEntry:
    """The home that a question speaks of, and the entry that is read of it."""
    number = re.search(r"\d+", question)
    kind = counted(root, question, int(number[0])) if number else told(root, question)
    path = PurePosixPath("e")
    is_optional = "missing" not in question or "optional" in question.replace("non-optional", "")
    return SettingsEntry(
        host_path=path,
        guest_path=path,
        kind=kind,
        format=SettingsFormat.JSON,
        optional=is_optional,
    )


def counted(root: Path, question: str, number: int) -> SettingsKind:
    place = root / "e"
    if "bytes" in question:
        place.write_bytes(bytes(number))
        return SettingsKind.FILE
    if "depth" in question:
        place = place.joinpath(*"d" * number)
        number = 1
    elif "file" not in question:
        raise UnknownKindError
    place.mkdir(parents=True)
    for each in range(number):
        (place / str(each)).touch()
    return SettingsKind.DIRECTORY


def told(root: Path, question: str) -> SettingsKind:
    place = root / "e"
    match question:
        case "source symlink file":
            place.symlink_to("elsewhere")
        case "symlink child in directory":
            place.mkdir()
            (place / "link").symlink_to("elsewhere")
            return SettingsKind.DIRECTORY
        case _ if "malformed" in question or "array" in question:
            place.write_text("[]" if "array" in question else "{")
            return SettingsKind.MERGE_FILE
        case _ if "missing" in question:
            pass
        case _:
            raise UnknownKindError
    return SettingsKind.FILE


def filtered(given: dict[str, Any]) -> dict[str, object]:
    return FieldFilter(allow=tuple(given["allow"]), deny=given["deny"]).apply(given["data"])


def outcome(found: CarriedSettings) -> str:
    if found.skipped:
        return SKIPPED
    return "ok" if found.files else "skipped"


ANSWERS: Final[dict[str, Callable[[Any], object]]] = {
    "strip_jsonc": strip_jsonc,
    "filter": filtered,
    "deep_merge": lambda given: merged(given["dst(guest)"] or {}, given["src(host)"] or {}),
    "mcp_inject_expand": lambda given: expanded(given["value"], given["env"]),
    "tighten": tightened,
    "mcp_config": mcp_config,
    "limit": lambda question: asyncio.run(limit(question)),
}
