# SPDX-License-Identifier: Apache-2.0
"""What a client asks for, as the run takes it."""

import pytest

from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.portforward import PortForward
from bbox_server.domain.run import LoginOptions
from bbox_server.entrypoints.session_host.requests import run_request
from bbox_server.wire.run import RunOptions, RunParams


def params(options: RunOptions) -> RunParams:
    return RunParams(workspace_uri="file:///home/ada/tally", agent="codex", options=options)


def test_what_is_left_out_is_left_to_the_config() -> None:
    request = run_request(params(RunOptions()), {})
    assert request.login == LoginOptions(save=True, seed=False, inside=False)
    assert (request.mode, request.git.token, request.egress_profile) == (None, None, None)
    assert request.acknowledged is False
    assert request.trace is False


def test_logins_and_modes_are_handed_on() -> None:
    options = RunOptions(
        save_login=False,
        seed_login=True,
        log_in=True,
        workspace_mode=WorkspaceMode.DIRECT,
        acknowledge_direct=True,
    )
    request = run_request(params(options), {})
    assert request.login == LoginOptions(save=False, seed=True, inside=True)
    assert (request.mode, request.acknowledged) == (WorkspaceMode.DIRECT, True)


def test_ports_are_pairs() -> None:
    request = run_request(params(RunOptions(ports=("8080:80",))), {})
    assert request.forwards == (PortForward(host_port=8080, guest_port=80),)
    with pytest.raises(BboxError) as raised:
        run_request(params(RunOptions(ports=("8080",))), {})
    assert raised.value.code is ErrorCode.CLI_USAGE


@pytest.mark.parametrize(
    ("asked", "environ", "traced"),
    [
        (True, {}, True),
        (False, {"BBOX_TRACE": "1"}, True),
        (False, {"BBOX_TRACE": "0"}, False),
        (False, {"BBOX_TRACE": ""}, False),
    ],
)
def test_a_trace_is_asked_for_by_option_or_environment(
    *, asked: bool, environ: dict[str, str], traced: bool
) -> None:
    assert run_request(params(RunOptions(trace=asked)), environ).trace is traced
