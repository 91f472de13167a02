# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hostservice import HostService, check_services


def test_a_service_has_a_name_of_its_own_in_the_guest() -> None:
    service = HostService(name="tickets", port=8080)
    assert service.url == "http://tickets.bbox.internal:8080"


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("", 80), ("a.b", 80), ("A", 80), ("-a", 80), ("a-", 80), ("a" * 64, 80), ("a\n", 80),
        ("a", 0), ("a", 65536), ("a", 53), ("a", 4484),
    ],
)  # fmt: skip
def test_anything_else_is_refused(name: str, port: int) -> None:
    with pytest.raises(BboxError) as caught:
        HostService(name=name, port=port)
    assert caught.value.code is ErrorCode.EGRESS_INVALID_RULE


@pytest.mark.parametrize("second", [("a", 2), ("b", 1)])
def test_a_name_or_a_port_twice_is_refused(second: tuple[str, int]) -> None:
    services = [HostService(name="a", port=1), HostService(name=second[0], port=second[1])]
    with pytest.raises(BboxError):
        check_services(services)
