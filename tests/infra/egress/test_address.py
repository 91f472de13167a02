# SPDX-License-Identifier: Apache-2.0
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.infra.egress.address import Reach, may_dial, reach

PUBLIC = ["1.1.1.1", "8.8.8.8", "172.15.0.1", "100.63.0.1", "2606:4700::1111", "2a00:1450::1"]
PRIVATE = [
    *("10.0.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "172.31.255.255"),
    *("192.168.127.1", "100.64.0.1", "100.100.100.200", "::1", "fd00:ec2::254", "fc00::1"),
]
FORBIDDEN = [
    *(
        str(ipaddress.IPv4Address(0)),
        "0.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
    ),
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "192.0.0.192"),
    *("168.63.129.16", "::", "fe80::1", "fe80::1%1", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1"),
    *("2001:0:1::1", "2001:db8::1", "fec0::1", "100::1", "3fff::1", "5f00::1", "4000::1"),
]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *((address, Reach.PUBLIC) for address in PUBLIC),
        *((address, Reach.PRIVATE) for address in PRIVATE),
        *((address, Reach.FORBIDDEN) for address in FORBIDDEN),
    ],
)
def test_who_answers_at_an_address(address: str, expected: Reach) -> None:
    assert reach(address) is expected


@pytest.mark.parametrize("address", [*PRIVATE, *FORBIDDEN])
def test_without_a_rule_for_it_nothing_private_is_dialled(address: str) -> None:
    assert not may_dial(address, allow_private=False)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_rule_opens_what_is_forbidden(address: str) -> None:
    assert not may_dial(address, allow_private=True)


@given(st.ip_addresses())
def test_what_is_dialled_is_global_for_python_as_well(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if reach(str(address)) is Reach.PUBLIC:
        assert address.is_global
        assert not address.is_multicast
