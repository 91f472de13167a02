# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from pathlib import PurePosixPath

from bbox_server.domain.excludes import ExcludeRules, PathMatcher, PatternLine, hiding_rule
from bbox_server.infra.excludes.disk import effective, user_lines
from bbox_server.infra.excludes.matcher import diff_matcher, snapshot_matcher
from tests.vectors.case import Case, UnknownKindError


def answer(case: Case) -> object:
    if "broodboxignore" in case.input:
        kept, _ = effective(user_lines(tuple(case.input["broodboxignore"].split("\n"))))
        return {"file_patterns": [line.text for line in kept]}
    path = case.input["path"]
    rule = hiding_rule(matcher(case), PurePosixPath(path), is_directory=path.endswith("/"))
    return rule is not None


def pattern_lines(texts: Sequence[str]) -> tuple[PatternLine, ...]:
    return tuple(PatternLine(text=text) for text in texts)


def matcher(case: Case) -> PathMatcher:
    rules = ExcludeRules(
        extra_patterns=pattern_lines(case.input.get("user_patterns", ())),
        gitignore_patterns=pattern_lines(case.input.get("gitignore_patterns", ())),
    )
    match case.input["tier"]:
        case "snapshot":
            return snapshot_matcher(rules)
        case "diff":
            return diff_matcher(rules, lambda _path: None)
        case _:
            raise UnknownKindError
