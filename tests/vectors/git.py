# SPDX-License-Identifier: Apache-2.0
from bbox_server.domain.git import Setting, sanitized, serialized
from bbox_server.infra.git.repositories import GitCommand
from tests.vectors.case import Case, UnknownKindError

GIT = GitCommand()


def answer(case: Case) -> object:
    if case.kind != "sanitize":
        raise UnknownKindError
    return serialized(sanitized(GIT.settings(case.input.encode()))).decode()


def accepts(case: Case, answer: object) -> bool:
    """Ours writes a file of its own: it must mean to git what the expected one means."""
    return meaning(str(answer)) == meaning(case.expect)


def meaning(config: str) -> tuple[Setting, ...]:
    return GIT.settings(config.encode())
