# SPDX-License-Identifier: Apache-2.0
"""Runs vector files: each case is answered by the module of its area."""

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType

import yaml

from tests.vectors.case import Case, UnknownKindError
from tests.vectors.differences import Difference


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    DIFFERENT = "different"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a case; `detail` says what ours answered."""

    case: Case
    outcome: Outcome
    detail: str


def vector_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.yaml")) if path.is_dir() else (path,)


def read_cases(path: Path) -> list[Case]:
    document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return [
        Case(
            area=path.stem,
            id=str(fields["id"]),
            kind=str(fields.get("kind", "")),
            input=fields.get("input"),
            expect=fields.get("expect"),
            fields=fields,
        )
        for fields in document["cases"]
    ]


def run(paths: Iterable[Path], differences: dict[str, Difference]) -> list[Result]:
    return [
        run_case(case, differences) for path in vector_files(paths) for case in read_cases(path)
    ]


def run_case(case: Case, differences: dict[str, Difference]) -> Result:
    is_met, detail = _ask(case)
    outcome = Outcome.PASSED if is_met else Outcome.FAILED
    if not is_met and case.id in differences:
        outcome = Outcome.DIFFERENT
    return Result(case=case, outcome=outcome, detail=detail)


def _ask(case: Case) -> tuple[bool, str]:
    area = _area(case.area)
    if area is None:
        return False, "nothing answers this area"
    try:
        answer = area.answer(case)
        accepts: Callable[[Case, object], bool] = getattr(area, "accepts", _is_expected)
        return accepts(case, answer), f"answered {answer!r}, expected {case.expect!r}"
    except UnknownKindError:
        return False, f"nothing answers the kind {case.kind!r}"
    except Exception as error:  # noqa: BLE001 - a case that breaks ours is a failed case
        return False, f"raised {error!r}"


def _area(name: str) -> ModuleType | None:
    module = f"tests.vectors.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None


def _is_expected(case: Case, answer: object) -> bool:
    return bool(answer == case.expect)


def summary(results: Iterable[Result]) -> str:
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
