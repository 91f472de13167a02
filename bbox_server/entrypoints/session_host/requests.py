# SPDX-License-Identifier: Apache-2.0
"""Messages of the wire as the domain's values."""

from pathlib import PurePosixPath

from bbox_server.domain.change import ChangeId, HunkId
from bbox_server.domain.decision import Decision
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.portforward import parse_port_forwards
from bbox_server.domain.review import Verdict
from bbox_server.domain.run import (
    GitAccess,
    LoginOptions,
    PullRequest,
    ResourceRequest,
    RunRequest,
)
from bbox_server.domain.settings import SettingsImport
from bbox_server.domain.terminal import TerminalSize
from bbox_server.domain.workspace import HostPath
from bbox_server.wire.review_request import DecideParams, FlushApplyParams, FlushPlanParams
from bbox_server.wire.run import RunParams, TerminalSizeMessage
from bbox_server.wire.workspace_uri import workspace_path


def run_request(params: RunParams, environ: dict[str, str]) -> RunRequest:
    """What RunAgent takes. Raises: cli.usage, workspace.invalid, egress.invalid-rule."""
    options = params.options
    if params.agent is None and not params.image:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="Neither an agent nor an image is named.",
            remediation="`bbox list` shows the agents; or give an image and a command.",
        )
    return RunRequest(
        agent=params.agent,
        image=params.image or "",
        program=options.program,
        ask=options.ask,
        arguments=params.args,
        workspace=workspace_path(params.workspace_uri),
        environ=environ,
        env_forward=options.env_forward,
        resources=ResourceRequest(
            cpus=options.cpus, memory_mib=options.memory_mib, tmp_size_mib=options.tmp_size_mib
        ),
        egress_profile=options.egress_profile,
        allow_hosts=tuple(parse_host_rule(text) for text in options.allow_hosts),
        excludes=options.excludes,
        forwards=parse_port_forwards(options.ports),
        services=tuple(HostService(name=one.name, port=one.port) for one in options.services),
        config_file=None if options.config_file is None else HostPath(options.config_file),
        git=GitAccess(token=options.git_token, ssh_agent=options.git_ssh_agent),
        trace=options.trace or environ.get("BBOX_TRACE") == "1",
        mode=options.workspace_mode,
        acknowledged=options.acknowledge_direct,
        login=LoginOptions(save=options.save_login, seed=options.seed_login, inside=options.log_in),
        name=options.name,
        pull=PullRequest(policy=options.pull, afresh=not options.image_cache),
        settings=SettingsImport(enabled=None if options.import_settings else False),
    )


def terminal_size(size: TerminalSizeMessage | None) -> TerminalSize | None:
    """A size, where there is one."""
    return None if size is None else TerminalSize(columns=size.cols, rows=size.rows)


def decisions(params: DecideParams) -> tuple[Decision, ...]:
    """The decisions."""
    return tuple(
        Decision(
            change=ChangeId(item.change),
            verdict=Verdict(item.verdict.value),
            hunk=None if item.hunk is None else HunkId(item.hunk),
        )
        for item in params.decisions
    )


def confirmed(params: DecideParams) -> frozenset[PurePosixPath]:
    """The build files that the user was shown."""
    return frozenset(PurePosixPath(path) for path in params.confirmed)


def unsaved(params: FlushPlanParams | FlushApplyParams) -> frozenset[PurePosixPath]:
    """The paths whose newest text is in an editor only."""
    return frozenset(PurePosixPath(path) for path in params.unsaved)
