# SPDX-License-Identifier: Apache-2.0
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.change import Tier
from bbox_server.domain.environment import effective_patterns
from bbox_server.domain.excludes import is_secret
from bbox_server.domain.sensitive import classify, git_directories
from tests.vectors.case import Case, UnknownKindError
from tests.vectors.trees import listed

# "deny" is what no bulk acceptance takes: withheld, or waiting for a decision of its own.
DENIED: Final = frozenset({Tier.GIT_INTERNAL, Tier.SECRET, Tier.EXECUTES_ON_HOST})
ASKED: Final = frozenset({Tier.BUILD_FILE, *DENIED})


def answer(case: Case) -> object:
    match case.input:
        case {"path": path, "kind": "added"}:
            return _answer_path(PurePosixPath(path))
        case {"path": path, "kind": str(kind)} if "host" in kind:
            return _answer_host(str(path), kind, case)
        case {"builtin_env_forward": built_in, "global_env_forward": user}:
            return (list(effective_patterns(built_in, user, case.input["workspace_env_forward"])),)
        case _:
            raise UnknownKindError


def accepts(case: Case, answer: object) -> bool:
    """Ours is right when it is what the case asks of ours, not what the reference does."""
    return isinstance(answer, tuple) and case.expect["ours"] in answer


def _answer_path(path: PurePosixPath) -> tuple[str, ...]:
    tier = classify(path, is_secret=is_secret)
    top = path.parts[0]
    shape = [PurePosixPath(top, part) for part in ("HEAD", "objects", "refs")]
    shaped = classify(path, is_secret=is_secret, shaped=git_directories(shape))
    found = []
    if tier in DENIED:
        found.append("deny")
    if tier in ASKED:
        found.append("warn-or-confirm")
    if tier not in DENIED and shaped is Tier.GIT_INTERNAL:
        found.append("deny-if-gitdir-shaped")
    return tuple(found)


def _answer_host(path: str, kind: str, case: Case) -> tuple[str, ...]:
    """What is listed when only the host did something to a file."""
    gitignore = "".join(f"{line}\n" for line in case.input.get("gitignore_patterns", ()))
    files: dict[str, object] = {".gitignore": gitignore} if gitignore else {}
    was_there = "created" not in kind
    changes = listed(
        files | ({path: "before"} if was_there else {}),
        files | ({path: "before"} if was_there else {}),
        excludes=tuple(case.input.get("user_patterns", ())),
        meanwhile={path: "after"} if "created" in kind or "edited" in kind else {},
    )
    return ("no change reported",) if not changes else ()
