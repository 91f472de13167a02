# SPDX-License-Identifier: Apache-2.0
from pathlib import PurePosixPath

from bbox_server.domain.excludes import ExcludeRules, PathMatcher, hiding_rule
from bbox_server.infra.excludes.disk import effective, user_lines
from bbox_server.infra.excludes.matcher import diff_matcher, snapshot_matcher
from tests.vectors.case import Case, UnknownKindError


def answer(case: Case) -> object:
    if "broodboxignore" in case.input:
        kept, _ = effective(user_lines(tuple(case.input["broodboxignore"].split("\n"))))
        return {"file_patterns": list(kept)}
    path = case.input["path"]
    rule = hiding_rule(matcher(case), PurePosixPath(path), is_directory=path.endswith("/"))
    return rule is not None


def matcher(case: Case) -> PathMatcher:
    rules = ExcludeRules(
        extra_patterns=tuple(case.input.get("user_patterns", ())),
        gitignore_patterns=tuple(case.input.get("gitignore_patterns", ())),
    )
    match case.input["tier"]:
        case "snapshot":
            return snapshot_matcher(rules)
        case "diff":
            return diff_matcher(rules)
        case _:
            raise UnknownKindError
