# SPDX-License-Identifier: Apache-2.0
"""`--dry-run`: what a run would be and would carry, for people."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from bbox_server.domain.escape import escape_line
from bbox_server.entrypoints.cli.changes_view import size_text
from bbox_server.wire.run_plan import FilePlanMessage, RunPlanMessage, SnapshotPlanMessage

LABEL_WIDTH: Final = 12
NOTHING: Final = "nothing"


def dry_run_lines(plan: RunPlanMessage) -> Iterator[str]:
    """The whole plan, one fact a line."""
    workspace, network, environment = plan.workspace, plan.network, plan.environment
    yield f"{plan.name} would run; nothing was started."
    yield _row("image", f"{plan.image} (sha256:{plan.digest[:12]})")
    yield _row("command", shlex.join(plan.command))
    cpus = f"{plan.cpus} CPU{'' if plan.cpus == 1 else 's'}"
    yield _row("machine", f"{cpus}, {plan.memory_mib} MiB of memory")
    yield _row("workspace", workspace.path)
    yield from _snapshot(workspace.snapshot)
    yield _row("network", network.profile)
    for host in network.hosts:
        yield _row("", host)
    if network.services:
        yield _row("services", _listed(network.services))
    if network.ports:
        yield _row("ports", _listed(network.ports))
    if network.keys:
        yield _row("keys", f"{_listed(network.keys)}: used on this host, not carried")
    identity = f"{plan.git.name} <{plan.git.email}>" if plan.git else "nobody"
    yield _row("git", identity)
    yield _row("variables", _listed(environment.carried))
    if environment.secrets:
        yield _row("secrets", f"{_listed(environment.secrets)}: the agent can read them")
    for name, reason in environment.held_back.items():
        yield _row("held back", f"{name}: {reason}")
    yield _row("set by bbox", _listed(environment.set_by_bbox))
    yield from _files(plan)


def _snapshot(snapshot: SnapshotPlanMessage | None) -> Iterator[str]:
    if snapshot is None:
        yield _row("", "directly: no snapshot, no review")
        return
    yield _row("", f"{snapshot.files} files, {size_text(snapshot.size_bytes)}")
    yield _row("hidden", f"{snapshot.excluded} by excludes, {snapshot.secret} by security rules")
    for skipped in snapshot.skipped:
        yield _row("", f"not in the snapshot: {skipped}")
    for warning in snapshot.warnings:
        yield _row("", warning)


def _files(plan: RunPlanMessage) -> Iterator[str]:
    label = "files"
    for file in plan.files:
        yield _row(label, f"{file.path}  {size_text(file.size_bytes)}{_origin(file)}")
        label = ""
    for skipped in plan.skipped:
        yield _row("not carried", f"{skipped.source}: {skipped.reason}")


def _origin(file: FilePlanMessage) -> str:
    if file.source is None:
        return "  (saved login)" if file.is_login else "  (bbox's own)"
    said = [str(file.category or "settings")]
    if file.source != file.path:
        said.append(f"from {file.source}")
    left_out = (*file.fields_left_out, *file.secrets_left_out)
    if left_out:
        said.append(f"without {_listed(left_out)}")
    return f"  ({'; '.join(said)})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or NOTHING


def _row(label: str, text: str) -> str:
    return f"  {label:<{LABEL_WIDTH}} {escape_line(text)}"
