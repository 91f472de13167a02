# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, field, replace

from bbox_server.domain.credential import CredentialUse
from bbox_server.infra.credential.report import AuditReport

USE = CredentialUse(
    provider="openai",
    method="GET",
    path="/openai/v1/models",
    status=200,
    up_bytes=0,
    down_bytes=0,
    elapsed_ms=0,
)
REFUSAL = replace(USE, provider="", status=401, refused="placeholder")


@dataclass
class Desk:
    time_s: float = 0.0
    seen: list[CredentialUse] = field(default_factory=list)

    def report(self) -> AuditReport:
        return AuditReport(sink=self.seen.append, now=lambda: self.time_s)


def test_every_answer_of_a_provider_is_reported() -> None:
    desk = Desk()
    report = desk.report()
    for _ in range(3):
        report.take(USE)
        report.take(replace(USE, status=502, refused="upstream"))
    assert len(desk.seen) == 6


def test_refusals_that_come_quickly_are_one_line_with_their_number() -> None:
    desk = Desk()
    report = desk.report()
    for _ in range(1000):
        report.take(REFUSAL)
    desk.time_s = 1.0
    report.take(REFUSAL)
    assert [use.count for use in desk.seen] == [1, 1000]


def test_another_reason_is_not_held_back() -> None:
    desk = Desk()
    report = desk.report()
    report.take(REFUSAL)
    report.take(replace(REFUSAL, refused="route"))
    assert [use.refused for use in desk.seen] == ["placeholder", "route"]


def test_what_waits_is_reported_at_the_end() -> None:
    desk = Desk()
    report = desk.report()
    for _ in range(5):
        report.take(REFUSAL)
    report.finish()
    assert sum(use.count for use in desk.seen) == 5
