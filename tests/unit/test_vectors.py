# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Final

import pytest

from tests.vectors.case import Case
from tests.vectors.differences import Difference, read_differences
from tests.vectors.runner import Outcome, Result, read_cases, run, run_case, summary

DATA: Final = Path(__file__).parents[1] / "vectors" / "data"
SHARED: Final = Path(__file__).parents[3] / "shared" / "compat" / "vectors"

# Whole files; what other areas answer grows with them.
AREAS: Final = (
    "bytesize",
    "config",
    "custom_agents",
    "diff_flush",
    "egress",
    "env",
    "exclude",
    "sensitive_paths",
    "settings",
)
KINDS: Final = {
    "git": frozenset({"sanitize"}),
    "names": frozenset({"derive", "validate", "vmname", "session_id"}),
}


def cases() -> list[Case]:
    places = [place for place in (DATA, SHARED) if place.is_dir()]
    whole = [case for place in places for area in AREAS for case in _read(place, area)]
    some = [
        case
        for place in places
        for area, kinds in KINDS.items()
        for case in _read(place, area)
        if case.kind in kinds
    ]
    # The project's own copy and the shared files have most of them in common.
    return list(
        {(case.area, case.id, repr(case.fields)): case for case in (*whole, *some)}.values()
    )


def _read(place: Path, area: str) -> list[Case]:
    path = place / f"{area}.yaml"
    return read_cases(path) if path.exists() else []


def test_every_case_of_the_areas_passes_or_differs_as_documented() -> None:
    differences = read_differences()
    results = [run_case(case, differences) for case in cases()]
    failed = [
        f"{result.case.id}: {result.detail}"
        for result in results
        if result.outcome is Outcome.FAILED
    ]
    assert failed == []


def test_every_documented_difference_is_one() -> None:
    differences = read_differences()
    answered = {case.id: run_case(case, differences).outcome for case in cases()}
    stale = [each for each in differences if answered.get(each) is Outcome.PASSED]
    assert stale == []


def test_a_case_of_no_area_fails(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.yaml"
    path.write_text("cases: [{id: a, input: 1, expect: 1}]")
    assert summary(run([path], {})) == "0 passed, 1 failed, 0 different"


def test_a_case_of_an_unknown_kind_fails(tmp_path: Path) -> None:
    path = tmp_path / "env.yaml"
    path.write_text("cases: [{id: a, kind: none, input: 1, expect: 1}]")
    (result,) = run([path], {})
    assert result.outcome is Outcome.FAILED


def test_a_difference_counts_only_for_its_id() -> None:
    case = Case(area="bytesize", id="a", kind="", input="1k", expect={"mib": 1})
    difference = Difference(rule="P-00", why="a test")
    outcomes = [run_case(case, known).outcome for known in ({"a": difference}, {"b": difference})]
    assert outcomes == [Outcome.DIFFERENT, Outcome.FAILED]


def test_a_case_that_breaks_ours_fails_and_says_so() -> None:
    result: Result = run_case(Case(area="env", id="a", kind="heap", input={}, expect={}), {})
    assert "KeyError" in result.detail


@pytest.mark.parametrize("column", ["rule", "why"])
def test_every_difference_says_its_rule_and_why(column: str) -> None:
    assert all(getattr(difference, column) for difference in read_differences().values())
