# SPDX-License-Identifier: Apache-2.0
"""`bbox config init | path | show | validate`."""

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Final

from bbox_server.application.resolve_config import ResolvedConfig
from bbox_server.domain.config.built_in import BUILT_IN
from bbox_server.domain.config.listing import leaf_text, listed
from bbox_server.domain.config.problem import Finding, FindingKind, Layer, Origin, dotted
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.workspace import HostPath, below
from bbox_server.entrypoints.cli.config_place import config_file, workspace_of
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services

WORKSPACE_FILE: Final = ".broodbox.yaml"

Row = tuple[str, str, Origin]


async def config(values: Namespace, services: Services, console: Console) -> int:
    """One of the actions."""
    match values.action:
        case "init":
            return _init(values, services, console)
        case "path":
            return _path(values, services, console)
        case "validate":
            return _validate(values, services, console)
        case _:
            return _show(values, services, console)


def _init(values: Namespace, services: Services, console: Console) -> int:
    path = _user_path(values, services)
    services.config_writer().init(path, force=values.force)
    if values.json:
        console.say(json.dumps({"path": path}))
    else:
        console.say(f"Config written to {escape_text(path)}")
    return 0


def _path(values: Namespace, services: Services, console: Console) -> int:
    user = _user_path(values, services)
    theirs = below(workspace_of(values.workspace, services), WORKSPACE_FILE)
    if values.json:
        console.say(json.dumps({"user": user, "workspace": theirs}))
    else:
        console.say(escape_text(user))
        console.say(escape_text(theirs))
    return 0


def _show(values: Namespace, services: Services, console: Console) -> int:
    resolved = _resolved(values, services)
    rows = list(_rows(resolved))
    if values.json:
        settings = [
            {"key": key, "value": text, "layer": origin.layer.value, "origin": str(origin)}
            for key, text, origin in rows
        ]
        warnings = [_finding(one) for one in resolved.findings]
        console.say(json.dumps({"settings": settings, "warnings": warnings}, indent=2))
        return 0
    for key, text, origin in rows:
        place = console.style.dim(f"  # {escape_text(str(origin))}") if values.origin else ""
        console.say(f"{escape_text(key)}: {escape_text(text)}{place}")
    _note(resolved, console)
    return 0


def _validate(values: Namespace, services: Services, console: Console) -> int:
    """Both files; what is only not applied or has no effect is no fault."""
    resolved = _resolved(values, services)
    wrong = [one for one in resolved.findings if one.kind is FindingKind.INVALID]
    if values.json:
        findings = [_finding(one) for one in resolved.findings]
        console.say(json.dumps({"valid": not wrong, "findings": findings}, indent=2))
        return 1 if wrong else 0
    if wrong:
        raise BboxError(
            ErrorCode.CONFIG_INVALID,
            cause="\n  ".join(escape_text(str(one)) for one in wrong),
            remediation="Correct these values; docs/guide/configuration.md has all keys.",
        )
    _note(resolved, console)
    console.say("The configuration is valid.")
    return 0


def _resolved(values: Namespace, services: Services) -> ResolvedConfig:
    workspace = workspace_of(values.workspace, services)
    return services.configs()(workspace, config_file(values, services))


def _user_path(values: Namespace, services: Services) -> HostPath:
    return services.configs().files.user_path(config_file(values, services))


def _rows(resolved: ResolvedConfig) -> Iterator[Row]:
    """What is set, and what holds where nothing is."""
    built_in = Origin(layer=Layer.BUILT_IN)
    found = {path: (leaf, resolved.origins.get(path)) for path, leaf in listed(resolved.config)}
    for path, leaf in listed(BUILT_IN):
        found.setdefault(path, (leaf, built_in))
    for path in sorted(found, key=dotted):
        leaf, origin = found[path]
        yield dotted(path), leaf_text(path, leaf), origin or _nearest(resolved, path)


def _nearest(resolved: ResolvedConfig, path: tuple[str | int, ...]) -> Origin:
    """A value that was taken whole stands where the whole stands."""
    for end in range(len(path), 0, -1):
        if path[:end] in resolved.origins:
            return resolved.origins[path[:end]]
    return Origin(layer=Layer.GLOBAL)


def _note(resolved: ResolvedConfig, console: Console) -> None:
    for one in resolved.findings:
        sign = console.style.yellow("!")
        console.note(f"{sign} {one.kind}: {escape_text(str(one))}")


def _finding(finding: Finding) -> dict[str, str | int | None]:
    position = finding.origin.position
    return {
        "kind": finding.kind.value,
        "key": dotted(finding.path),
        "text": finding.text,
        "file": finding.origin.file,
        "line": position.line if position else None,
        "column": position.column if position else None,
    }
