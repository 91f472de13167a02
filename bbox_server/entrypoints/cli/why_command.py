# SPDX-License-Identifier: Apache-2.0
"""`bbox why PATH`: which rule hides a path."""

import os
from argparse import Namespace
from pathlib import PurePosixPath
from typing import Final

from bbox_server.application.explain_path import ExcludeOptions
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_line
from bbox_server.domain.excludes import Hidden, HideTier
from bbox_server.domain.explanation import Explanation
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.entrypoints.cli.config_place import config_file, workspace_of
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.cli.words import split_words

# What undoes a rule, or that nothing does.
REMEDIES: Final = {
    HideTier.SECURITY: "nothing negates it",
    HideTier.GIT_INTERNAL: "nothing negates it",
    HideTier.PERFORMANCE: "`!{pattern}` in .broodboxignore shows it",
    HideTier.USER: "",
    HideTier.GITIGNORE: "",
}


async def why(values: Namespace, services: Services, console: Console) -> int:
    """Explain each path; 0 whatever hides it."""
    workspace = workspace_of(values.workspace, services)
    explain = services.explain()
    asked = ExcludeOptions(
        patterns=split_words(values.exclude), config_file=config_file(values, services)
    )
    explanations = [
        await explain(
            workspace,
            _inside(workspace, services.directory, path),
            asked,
            as_directory=path.endswith("/"),
        )
        for path in values.paths
    ]
    if values.json:
        from bbox_server.wire.explanation import explanations_message

        console.say(explanations_message(tuple(explanations)).to_json(indent=2))
        return 0
    for explanation in explanations:
        console.say(explained(explanation))
    return 0


def explained(explanation: Explanation) -> str:
    """One line for a path."""
    path, hidden, withheld = explanation.path, explanation.hidden, explanation.withheld
    if hidden is not None:
        return escape_line(f"{path}: hidden from the guest by {named(hidden)}")
    if withheld is not None:
        return escape_line(
            f"{path}: in the guest; a change there is withheld because of {named(withheld)}"
        )
    if explanation.tracked:
        return escape_line(f"{path}: nothing hides it, because git tracks it")
    return escape_line(f"{path}: nothing hides it")


def named(rule: Hidden) -> str:
    """A rule with its place, and what would undo it."""
    remedy = REMEDIES[rule.tier].format(pattern=rule.pattern)
    if not rule.source:
        kind = {HideTier.SECURITY: "security", HideTier.PERFORMANCE: "performance"}
        return f"the built-in {kind.get(rule.tier, 'git')} rule {rule.pattern} ({remedy})"
    line = f", line {rule.number}" if rule.number else ""
    return f"{rule.source}{line}: {rule.pattern}"


def _inside(workspace: HostPath, directory: HostPath, given: str) -> WorkspacePath:
    """A path relative to the workspace. Raises: path.outside.

    A link in the workspace is itself, not what it points to.
    """
    absolute = os.path.join(directory, given.rstrip("/") or "/")  # noqa: PTH118 (bytes that are no UTF-8 stay)
    parent, name = os.path.split(absolute)
    is_name = name not in {"", os.curdir, os.pardir}
    real = os.path.realpath(parent if is_name else absolute)
    path = os.path.join(real, name) if is_name else real  # noqa: PTH118 (see above)
    relative = PurePosixPath(os.path.relpath(path, workspace))
    if not relative.parts or relative.parts[0] == os.pardir:
        what = f"is not in {workspace}" if relative.parts else "is the workspace itself"
        raise BboxError(
            ErrorCode.PATH_OUTSIDE,
            cause=f"{given} {what}.",
            remediation="Name a path below it, or another workspace with --workspace.",
        )
    return relative
