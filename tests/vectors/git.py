# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import tempfile
from pathlib import Path

from bbox_server.domain.git import Setting, sanitized, serialized
from bbox_server.domain.git_token import github_repositories
from bbox_server.domain.identity import GitIdentity, UrlRewrite, guest_config, plain_value
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.git.identity import UserGitIdentity
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.linked_git import LinkedGit, find_linked
from tests.vectors.case import Case, UnknownKindError

GIT = GitCommand()


def answer(case: Case) -> object:
    match case.kind:
        case "sanitize":
            return serialized(sanitized(GIT.settings(case.input.encode()))).decode()
        case "identity":
            return identity(case.input)
        case "guest_gitconfig":
            return gitconfig(case)
        case "sanitize_value":
            return plain_value(case.input)
        case "credential_helper_answers":
            return is_authenticated(case)
        case "is_worktree_gitdir":
            return is_worktree(case.input)
        case _:
            raise UnknownKindError


def accepts(case: Case, answer: object) -> bool:
    """Ours writes a file of its own: it must mean to git what the expected one means."""
    if case.kind not in {"sanitize", "guest_gitconfig"}:
        return bool(answer == case.expect)
    return meaning(str(answer)) == meaning(case.expect)


def meaning(config: str) -> tuple[Setting, ...]:
    return GIT.settings(config.encode())


def identity(config: str) -> dict[str, object]:
    with tempfile.NamedTemporaryFile("w", suffix=".gitconfig") as file:
        file.write(config)
        file.flush()
        environ = {"GIT_CONFIG_GLOBAL": file.name, "GIT_CONFIG_NOSYSTEM": "1"}
        adapter = UserGitIdentity(environ={"PATH": os.environ["PATH"], **environ})
        found = asyncio.run(adapter.find(HostPath("/")))
    rewrites = [{"base": one.base, "insteadOf": one.instead_of} for one in found.rewrites]
    return {"name": found.name, "email": found.email, "rewrites": rewrites}


def gitconfig(case: Case) -> str:
    given = case.input
    rewrites = tuple(
        UrlRewrite(base=one["base"], instead_of=one["insteadOf"]) for one in given["rewrites"]
    )
    return guest_config(GitIdentity(name=given["name"], email=given["email"], rewrites=rewrites))


def is_authenticated(case: Case) -> bool:
    """Whether ours answers for a host: reading is what git asks a helper to `get`."""
    remote = f"https://{case.input['host']}/owner/name.git"
    return case.input["op"] == "get" and bool(github_repositories([remote]))


def is_worktree(git_dir: str) -> bool:
    """Whether ours takes a directory of that place, which names its work tree, for a worktree's."""
    with tempfile.TemporaryDirectory() as place:
        tree, own = Path(place, "tree"), Path(place, git_dir.lstrip("/"))
        for directory in (tree, own):
            directory.mkdir(parents=True)
        (own / "gitdir").write_text(f"{tree}/.git\n")
        (own / "commondir").write_text("../..\n")
        found = find_linked(tree.resolve(), own, GIT)
        return isinstance(found, LinkedGit) and found.is_worktree
