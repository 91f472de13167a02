# SPDX-License-Identifier: Apache-2.0
"""The user's repository as it takes the agent's commits, and gives them back."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.commit import CommitId, RefUpdate
from bbox_server.domain.error import BboxError
from bbox_server.domain.workspace import WorkspacePath
from bbox_server.infra.git.safe_git import SafeGit, users_git

_HEADS: Final = "refs/heads/"
_REASON: Final = "bbox: the agent's commits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One repository. Blocking; every method raises git.failed, dependency.missing."""

    workspace: Path
    work_tree: WorkspacePath

    @property
    def _git(self) -> SafeGit:
        return users_git(self.workspace / self.work_tree)

    def tip(self, ref: str) -> CommitId | None:
        """Where a ref is."""
        listed = self._git.ask("for-each-ref", "--format=%(objectname) %(refname)", ref)
        for line in listed.decode("utf-8", "surrogateescape").splitlines():
            tip, _, name = line.partition(" ")
            if name == ref:
                return CommitId(tip)
        return None

    def fetch(self, bundle: Path, source: str, ref: str) -> None:
        """Take what is new in a bundle, every object checked, and set a ref of ours to it."""
        git = self._git
        words = (
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            "--no-recurse-submodules", "--atomic",
        )  # fmt: skip
        refspec = f"+{source}:{ref}"
        if git.user is None:
            git.ask(*words, str(bundle), refspec)
        else:
            # The session's directory is closed to the repository's owner.
            git.ask(*words, "/dev/stdin", refspec, stdin=bundle.read_bytes())

    def is_forwardable(self, name: str, after: CommitId) -> bool:
        """Whether the user's branch of a name lies behind a commit, and may be moved."""
        branch = f"{_HEADS}{name}"
        tip = self.tip(branch)
        if tip is None or tip == after:
            return False
        git = self._git
        is_behind = git.agrees("merge-base", "--is-ancestor", tip, after)
        return is_behind and self._is_free(git, branch)

    def forward(self, name: str, before: CommitId, after: CommitId) -> None:
        """Move a branch; where it is checked out the index follows, and no file is touched."""
        git = self._git
        branch = f"{_HEADS}{name}"
        git.ask("update-ref", "-m", _REASON, branch, after, before)
        if self._is_checked_out(git, branch):
            git.ask("read-tree", "-i", "-m", after)

    def give_back(self, ref: str, before: str, after: str) -> RefUpdate:
        """Bring a ref back to where it was, if it is still where it was brought to."""
        now = self.tip(ref)
        done = RefUpdate(
            repository=self.work_tree,
            ref=ref,
            before=now,
            after=CommitId(before) if before else None,
        )
        if now != after:
            is_back = now == (before or None)
            failure = "" if is_back else f"{ref} was moved meanwhile, and stays."
            return RefUpdate(
                repository=self.work_tree, ref=ref, before=now, after=now, failure=failure
            )
        git = self._git
        if not before:
            git.ask("update-ref", "-d", ref, after)
        elif ref.startswith(_HEADS):
            if not self._is_free(git, ref):
                failure = f"{ref} has staged changes, and stays."
                return RefUpdate(
                    repository=self.work_tree, ref=ref, before=now, after=now, failure=failure
                )
            self.forward(ref.removeprefix(_HEADS), CommitId(after), CommitId(before))
        else:
            git.ask("update-ref", "-m", _REASON, ref, before, after)
        return done

    def _is_free(self, git: SafeGit, branch: str) -> bool:
        """Whether nothing of the user's depends on where the branch is.

        It is checked out in no other work tree, and where it is in this one nothing is staged.
        """
        if self._is_checked_out(git, branch):
            return git.agrees("diff-index", "--cached", "--quiet", "HEAD", "--")
        listed = git.ask("worktree", "list", "--porcelain").split(b"\n")
        return os.fsencode(f"branch {branch}") not in listed

    def _is_checked_out(self, git: SafeGit, branch: str) -> bool:
        try:
            return git.ask("symbolic-ref", "--quiet", "HEAD").strip() == os.fsencode(branch)
        except BboxError:
            return False
