# SPDX-License-Identifier: Apache-2.0
"""Messages of the wire as the domain's values."""

import os
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import ValidationError

from bbox_server.domain.change import ChangeId, HunkId
from bbox_server.domain.decision import Decision
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.review import Verdict
from bbox_server.domain.run import ResourceRequest, RunRequest
from bbox_server.domain.terminal import TerminalSize
from bbox_server.domain.workspace import HostPath
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.method import METHODS
from bbox_server.wire.model import Message
from bbox_server.wire.peer import RpcCode, RpcError
from bbox_server.wire.review_request import DecideParams
from bbox_server.wire.run import RunParams, TerminalSizeMessage

PARAMS: Final = {method.name: method.params for method in METHODS}
LOCAL_AUTHORITIES: Final = frozenset({"", "localhost"})


def read_params(method: str, params: JsonObject) -> Message:
    """The params as their message. Raises: RpcError, naming every bad field."""
    if method not in PARAMS:
        raise RpcError(RpcCode.METHOD_NOT_FOUND, f"no method {method[:80]!r}")
    try:
        return PARAMS[method].model_validate(params)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise RpcError(RpcCode.INVALID_PARAMS, "; ".join(faults)) from None


def workspace_path(uri: str) -> HostPath:
    """The directory of a file: URI, links resolved. Raises: workspace.invalid."""
    parts = urlsplit(uri)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    is_local = parts.scheme == "file" and parts.netloc in LOCAL_AUTHORITIES
    if not is_local or not path.startswith("/") or "\0" in path:
        raise BboxError(
            ErrorCode.WORKSPACE_INVALID,
            cause=f"{uri[:200]!a} is no directory of this machine.",
            remediation="Give a file: URI with an absolute path.",
        )
    return HostPath(os.path.realpath(path))


def run_request(params: RunParams, environ: dict[str, str]) -> RunRequest:
    """What RunAgent takes. Raises: cli.usage, workspace.invalid, egress.invalid-rule."""
    options = params.options
    if params.agent is None and not params.image:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="Neither an agent nor an image is named.",
            remediation="`bbox list` shows the agents; or give an image and a command.",
        )
    cpus = options.cpus and min(options.cpus, os.cpu_count() or 1)
    return RunRequest(
        agent=params.agent,
        image=params.image or "",
        program=options.program,
        arguments=params.args,
        workspace=workspace_path(params.workspace_uri),
        environ=environ,
        env_forward=options.env_forward,
        resources=ResourceRequest(
            cpus=cpus, memory_mib=options.memory_mib, tmp_size_mib=options.tmp_size_mib
        ),
        egress_profile=options.egress_profile,
        allow_hosts=tuple(parse_host_rule(text) for text in options.allow_hosts),
        excludes=options.excludes,
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
