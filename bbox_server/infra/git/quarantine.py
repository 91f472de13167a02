# SPDX-License-Identifier: Apache-2.0
"""A bare repository of ours that holds the agent's objects while they are looked at (ADR 0131).

What was given to the agent is borrowed from the generation, which the guest can't write.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.agent_git import AgentObject, GivenRepository
from bbox_server.domain.commit import COMMIT_LIMIT, DETACHED, AgentCommit, CommitId, is_commit_id
from bbox_server.infra.git.commit_text import read_commits, read_files
from bbox_server.infra.git.loose import LooseError, LoosePack
from bbox_server.infra.git.safe_git import SafeGit, failed

BUNDLE: Final = "agent.bundle"
_ALTERNATES: Final = "objects/info/alternates"
_DETACHED_REF: Final = "refs/detached"
_NOT_GIVEN: Final = ("--not", "--glob=refs/base/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The repository of one work tree of a session. Blocking.

    Attributes:
        path: Its directory, ours alone.
    """

    path: Path

    @property
    def _git(self) -> SafeGit:
        return SafeGit(git_dir=self.path)

    def fill(
        self,
        given: GivenRepository,
        tips: Mapping[str, CommitId],
        objects: Iterable[AgentObject],
    ) -> None:
        """Make it anew.

        Args:
            given: What the agent was given.
            tips: Its branches, with names that were checked.
            objects: What it added.

        Raises: git.failed, snapshot.limit, dependency.missing, disk.full.
        """
        object_format = self._create(given)
        loose = LoosePack(object_format)
        for one in objects:
            if one.is_pack:
                self._add_pack(one.content)
            else:
                with suppress(LooseError):  # whoever needs it misses it, and that is told
                    loose.add(one.name, one.content)
        if len(loose):
            self._add_pack(loose.content())
        refs = [f"{tip} {source_ref(name)}\n" for name, tip in tips.items()]
        refs += (f"{tip} refs/base/{tip}\n" for tip in self._given_tips(given))
        (self.path / "packed-refs").write_text("".join(refs))

    def count(self, name: str) -> int:
        """How many commits a branch has that were not given; each is there with all it needs.

        Raises: git.failed where an object is missing.
        """
        # With --objects git looks for every tree and file, too.
        self._git.ask("rev-list", "--objects", "--quiet", source_ref(name), *_NOT_GIVEN)
        return int(self._git.ask("rev-list", "--count", source_ref(name), *_NOT_GIVEN))

    def commits(self, name: str) -> tuple[AgentCommit, ...]:
        """The newest of them. Raises: git.failed."""
        listed = self._git.ask(
            "rev-list", f"--max-count={COMMIT_LIMIT}", "--topo-order", source_ref(name), *_NOT_GIVEN
        )
        ids = [CommitId(line) for line in listed.decode("ascii").split()]
        lines = "".join(f"{one}\n" for one in ids).encode()
        texts = self._git.ask("cat-file", "--batch", stdin=lines)
        changed = self._git.ask(
            "diff-tree", "--stdin", "-z", "-r", "--root", "--no-renames", "--name-status",
            "--no-ext-diff", "--no-textconv", stdin=lines,
        )  # fmt: skip
        return read_commits(ids, texts, read_files(ids, changed))

    def bundle(self, name: str, tip: CommitId) -> Path:
        """A bundle of what is new on a branch, as `source_ref` names it.

        Raises: git.failed, also where the branch is no longer at the commit that was shown.
        """
        if self._git.ask("rev-parse", "--verify", source_ref(name)).decode().strip() != tip:
            raise failed(b"the agent committed again meanwhile")
        path = self.path / BUNDLE
        path.unlink(missing_ok=True)
        self._git.ask("bundle", "create", "--quiet", str(path), source_ref(name), *_NOT_GIVEN)
        self._check(path)
        return path

    def _check(self, bundle: Path) -> None:
        """Have every object of a bundle judged as a strict server does.

        `git fetch` checks none of a bundle's before git 2.46, whatever fetch.fsckObjects says.
        """
        checked = SafeGit(git_dir=self.path / "checked.git")
        object_format = self._git.ask("rev-parse", "--show-object-format").decode().strip()
        given = (self.path / _ALTERNATES).read_text()
        _make(checked, object_format, given)
        with bundle.open("rb") as file:
            while file.readline().strip():  # gitformat-bundle(5): the pack follows an empty line
                pass
            pack = file.read()
        checked.ask("index-pack", "--strict", "--fix-thin", "--stdin", stdin=pack)
        shutil.rmtree(checked.git_dir)

    def _create(self, given: GivenRepository) -> str:
        source = SafeGit(git_dir=Path(given.git_dir))
        object_format = source.ask("rev-parse", "--show-object-format").decode().strip()
        _make(self._git, object_format, f"{given.git_dir}/objects\n")
        with suppress(FileNotFoundError):
            shutil.copyfile(Path(given.git_dir, "shallow"), self.path / "shallow")
        return object_format

    def _add_pack(self, content: bytes) -> None:
        self._git.ask("index-pack", "--stdin", stdin=content)

    def _given_tips(self, given: GivenRepository) -> Sequence[str]:
        source = SafeGit(git_dir=Path(given.git_dir))
        listed = source.ask("for-each-ref", "--format=%(objectname)").decode("ascii").split()
        with suppress(OSError):
            head = Path(given.git_dir, DETACHED).read_text(errors="replace").strip()
            listed += [head] if is_commit_id(head) else []
        return tuple(dict.fromkeys(listed))


def _make(git: SafeGit, object_format: str, alternates: str) -> None:
    """An empty repository of ours that borrows objects."""
    if git.git_dir.exists():
        shutil.rmtree(git.git_dir)
    git.git_dir.mkdir(mode=0o700, parents=True)
    git.ask("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
    path = git.git_dir / _ALTERNATES
    path.parent.mkdir(exist_ok=True)
    path.write_text(alternates)


def source_ref(name: str) -> str:
    """What a branch is called here, and in a bundle."""
    return _DETACHED_REF if name == DETACHED else f"refs/heads/{name}"
