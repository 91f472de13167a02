# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind


def blocked(reason: BlockReason, host: str | None = "x.com") -> EgressEvent:
    return EgressEvent(kind=EgressEventKind.BLOCKED, host=host, reason=reason)


@pytest.mark.parametrize("reason", list(BlockReason))
def test_only_a_name_that_no_rule_allows_can_be_allowed(reason: BlockReason) -> None:
    allowable = {BlockReason.HOST_NOT_IN_PROFILE, BlockReason.PORT_NOT_ALLOWED}
    assert blocked(reason).can_be_allowed is (reason in allowable)


def test_an_address_without_a_name_can_not_be_allowed() -> None:
    assert not blocked(BlockReason.PORT_NOT_ALLOWED, host=None).can_be_allowed
