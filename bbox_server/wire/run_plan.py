# SPDX-License-Identifier: Apache-2.0
"""What a run would carry into its guest, for machines. Names and sizes; no values."""

from bbox_server.domain.carried import Carried
from bbox_server.domain.launch import Launch
from bbox_server.domain.settings import SettingsCategory
from bbox_server.domain.snapshot import Snapshot
from bbox_server.wire.model import Message


class SnapshotPlanMessage(Message):
    """What is in it, and how much is hidden (a hidden directory counts once)."""

    files: int
    size_bytes: int
    excluded: int
    secret: int
    skipped: tuple[str, ...]
    warnings: tuple[str, ...]


class WorkspacePlanMessage(Message):
    """The workspace; without a snapshot the agent would work in it directly."""

    path: str
    snapshot: SnapshotPlanMessage | None


class NetworkPlanMessage(Message):
    """What is reachable; `keys` names the providers whose keys stay on the host.

    `services` of this host by their URL in the guest, `ports` of this host that lead into it.
    """

    profile: str
    hosts: tuple[str, ...]
    keys: tuple[str, ...]
    services: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


class EnvironmentPlanMessage(Message):
    """Names of variables: carried, secret among those, held back with the reason, bbox's own."""

    carried: tuple[str, ...]
    secrets: tuple[str, ...]
    held_back: dict[str, str]
    set_by_bbox: tuple[str, ...]


class FilePlanMessage(Message):
    """A file for the guest's home; without `source`, and no login, bbox itself writes it."""

    path: str
    size_bytes: int
    is_login: bool = False
    source: str | None = None
    category: SettingsCategory | None = None
    fields_left_out: tuple[str, ...] = ()
    secrets_left_out: tuple[str, ...] = ()


class SkippedMessage(Message):
    """What of the user's settings could not be carried."""

    source: str
    reason: str


class GitIdentityMessage(Message):
    """Who commits in the guest."""

    name: str
    email: str


class RunPlanMessage(Message):
    """A run that was prepared and not started."""

    name: str
    image: str
    digest: str
    command: tuple[str, ...]
    cpus: int
    memory_mib: int
    workspace: WorkspacePlanMessage
    network: NetworkPlanMessage
    environment: EnvironmentPlanMessage
    files: tuple[FilePlanMessage, ...]
    skipped: tuple[SkippedMessage, ...]
    git: GitIdentityMessage | None = None


def _snapshot(snapshot: Snapshot | None) -> SnapshotPlanMessage | None:
    if snapshot is None:
        return None
    report = snapshot.report
    return SnapshotPlanMessage(
        files=report.files,
        size_bytes=report.size_bytes,
        excluded=report.excluded,
        secret=report.secret,
        skipped=report.skipped,
        warnings=report.warnings,
    )


def run_plan_message(name: str, image: str, workspace: str, launch: Launch) -> RunPlanMessage:
    """A plan for a client."""
    carried = launch.carried
    served = launch.credentials.routes if launch.credentials else ()
    identity = carried.identity
    return RunPlanMessage(
        name=name,
        image=image,
        digest=launch.root.digest,
        command=launch.argv,
        cpus=launch.resources.cpus,
        memory_mib=launch.resources.memory_mib,
        workspace=WorkspacePlanMessage(path=workspace, snapshot=_snapshot(launch.snapshot)),
        network=NetworkPlanMessage(
            profile=launch.policy.profile,
            hosts=tuple(map(str, launch.policy.rules)),
            keys=tuple(one.route.provider for one in served),
            services=tuple(service.url for service in launch.ways.services),
            ports=tuple(f"{one.host_port}:{one.guest_port}" for one in launch.ways.forwards),
        ),
        environment=EnvironmentPlanMessage(
            carried=carried.variables,
            secrets=carried.secrets,
            held_back=dict(carried.held_back),
            set_by_bbox=tuple(sorted(launch.env.keys() - set(carried.variables))),
        ),
        files=_files(launch, carried),
        skipped=tuple(
            SkippedMessage(source=f"~/{each.source}", reason=each.reason)
            for each in carried.settings.skipped
        ),
        git=GitIdentityMessage(name=identity.name, email=identity.email) if identity.name else None,
    )


def _files(launch: Launch, carried: Carried) -> tuple[FilePlanMessage, ...]:
    settings = {file.path: file for file in carried.settings.files}
    logins = {file.path for file in launch.login.files} if launch.login else set()
    found = []
    for file in launch.files:
        path = str(file.path) if file.path.is_absolute() else f"~/{file.path}"
        plain = FilePlanMessage(
            path=path, size_bytes=len(file.content), is_login=file.path in logins
        )
        origin = settings.get(file.path)
        if origin is not None:
            plain = plain.model_copy(
                update={
                    "source": f"~/{origin.source}",
                    "category": origin.category,
                    "fields_left_out": origin.fields_left_out,
                    "secrets_left_out": origin.secrets_left_out,
                }
            )
        found.append(plain)
    return tuple(found)
