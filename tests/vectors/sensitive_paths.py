# SPDX-License-Identifier: Apache-2.0
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.change import Tier
from bbox_server.domain.sensitive import classify
from tests.vectors.case import Case

# The reference has three tiers and reviews by itself when nobody is asked. Ours: what runs on the
# host waits for a decision of its own, build files for a confirmation.
ANSWERS: Final = {
    Tier.ORDINARY: {"tier": "none", "auto_review": "accept"},
    Tier.BUILD_FILE: {"tier": "build/ci", "auto_review": "accept-with-warning"},
    Tier.EXECUTES_ON_HOST: {"tier": "auto-exec", "auto_review": "reject"},
    Tier.GIT_INTERNAL: {"tier": "git internal", "auto_review": "withheld"},
    Tier.SECRET: {"tier": "secret", "auto_review": "withheld"},
}


def answer(case: Case) -> object:
    return ANSWERS[classify(PurePosixPath(case.input))]


def accepts(case: Case, answer: object) -> bool:
    """What is never flushed at all is rejected, too."""
    withheld = ANSWERS[Tier.GIT_INTERNAL]
    return answer == case.expect or (case.expect["auto_review"] == "reject" and answer == withheld)
