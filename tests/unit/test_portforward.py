# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.portforward import PortForward, parse_port_forwards

ports = st.integers(1, 65535)


@given(st.dictionaries(ports, ports, max_size=5))
def test_pairs_of_ports_are_forwarded_in_order(pairs: dict[int, int]) -> None:
    parsed = parse_port_forwards(f" {host} :{guest} " for host, guest in pairs.items())

    assert parsed == tuple(PortForward(host_port=h, guest_port=g) for h, g in pairs.items())


@pytest.mark.parametrize(
    "words",
    [
        ["8080"], [""], [":"], ["1:"], [":1"], ["0:80"], ["80:0"], ["65536:1"], ["1:65536"],
        ["1:2:3"], ["a:b"], ["-1:2"], ["+1:2"], ["\u0661:2"], ["1:2", "1:3"], ["1e3:2"],
        ["000000000080:1"],
    ],
)  # fmt: skip
def test_anything_else_is_refused(words: list[str]) -> None:
    with pytest.raises(BboxError) as caught:
        parse_port_forwards(words)

    assert caught.value.code is ErrorCode.CLI_USAGE


def test_a_guest_port_may_be_reached_twice() -> None:
    assert len(parse_port_forwards(["1:80", "2:80"])) == 2
