# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.vectors PATH…`: run vector files, or all in directories."""

import sys
from pathlib import Path

from tests.vectors.differences import read_differences
from tests.vectors.runner import Outcome, run, summary


def main(argv: list[str]) -> int:
    if not argv:
        sys.stderr.write("usage: python -m tests.vectors PATH…\n")
        return 2
    differences = read_differences()
    results = run([Path(word) for word in argv], differences)
    for result in results:
        if result.outcome is Outcome.FAILED:
            say(f"FAILED {result.case.area} {result.case.id}: {result.detail}")
        elif result.outcome is Outcome.DIFFERENT:
            rule = differences[result.case.id].rule
            say(f"different {result.case.area} {result.case.id} ({rule}): {result.detail}")
    say(summary(results))
    return 1 if any(result.outcome is Outcome.FAILED for result in results) else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
