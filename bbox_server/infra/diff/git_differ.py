# SPDX-License-Identifier: Apache-2.0
"""Hunks and merges by git, in a private directory where nothing configures it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from typing_extensions import override

from bbox_server.domain.change import Hunk
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hunk import Differ, Merge, TextPair, identify
from bbox_server.infra.diff.plain import coarse_hunks, plain_hunks
from bbox_server.infra.diff.unified import MalformedDiffError, parse_patches
from bbox_server.infra.process.capture import Completed, run
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.programs import SYSTEM_PATH

# git reads pairs of one batch from two directories; more would only delay the first answer.
_BATCH_BYTES: Final = 32 << 20
_BATCH_PAIRS: Final = 1000

# Contents are hostile. Ordinary ones take milliseconds; what takes longer is shown as one hunk.
_COMPARE_TIMEOUT_S: Final = 20.0

# git merge-file: up to 127 is the number of conflicts, above is an error.
_MOST_CONFLICTS: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class GitDiffer(Differ):
    """Starts git per batch of texts.

    Attributes:
        scratch: A directory of ours, absolute; private directories are made in it.
    """

    scratch: str

    @override
    async def compare(self, pairs: Sequence[TextPair]) -> tuple[tuple[Hunk, ...], ...]:
        results: list[tuple[Hunk, ...]] = []
        for batch in _batches(pairs):
            results += await self._compare_batch(batch)
        return tuple(
            tuple(identify(pair.path, pair.old_digest, hunk) for hunk in hunks)
            for pair, hunks in zip(pairs, results, strict=True)
        )

    @override
    async def merge(self, *, base: bytes, ours: bytes, theirs: bytes) -> Merge:
        with TemporaryDirectory(dir=self.scratch, prefix="merge-") as directory:
            contents = {"workspace": ours, "baseline": base, "agent": theirs}
            await asyncio.to_thread(_write, Path(directory), contents)
            words = ("-p", "--diff3", *contents)
            completed = await run(_git(directory, "merge-file", words))
        if not 0 <= completed.exit_code <= _MOST_CONFLICTS:
            completed.check()
        return Merge(content=completed.output, conflicts=completed.exit_code)

    async def _compare_batch(self, batch: Sequence[TextPair]) -> list[tuple[Hunk, ...]]:
        try:
            async with asyncio.timeout(_COMPARE_TIMEOUT_S):
                return await self._ask_git(batch)
        except TimeoutError:
            return [coarse_hunks(pair.old, pair.new) for pair in batch]
        except BboxError as error:
            if error.code is not ErrorCode.DEPENDENCY_MISSING:
                raise
            return [plain_hunks(pair.old, pair.new) for pair in batch]

    async def _ask_git(self, batch: Sequence[TextPair]) -> list[tuple[Hunk, ...]]:
        with TemporaryDirectory(dir=self.scratch, prefix="diff-") as directory:
            for side in ("a", "b"):
                (Path(directory) / side).mkdir()
            await asyncio.to_thread(_write, Path(directory), _sides(batch))
            completed = await run(_git(directory, "diff", _DIFF_WORDS))
        if completed.exit_code not in {0, 1}:
            completed.check()
        patches = await asyncio.to_thread(_parse, completed)
        return [patches.get(f"a/{index}", ()) for index in range(len(batch))]


_DIFF_WORDS: Final = (
    "--no-index", "--histogram", "--unified=3", "--text", "--no-renames", "--no-prefix",
    "--no-color", "--no-ext-diff", "--no-textconv", "a", "b",
)  # fmt: skip


def _git(directory: str, verb: str, words: tuple[str, ...]) -> Command:
    settings = ("core.attributesFile=/dev/null", "core.autocrlf=false", "core.quotePath=true")
    options = tuple(word for setting in settings for word in ("-c", setting))
    return Command(
        argv=("git", *options, verb, *words),
        directory=directory,
        env={
            "PATH": SYSTEM_PATH,
            "LC_ALL": "C",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(Path(directory).parent),
        },
    )


def _batches(pairs: Sequence[TextPair]) -> Iterator[Sequence[TextPair]]:
    start, size = 0, 0
    for index, pair in enumerate(pairs):
        size += len(pair.old) + len(pair.new)
        if index > start and (size > _BATCH_BYTES or index - start >= _BATCH_PAIRS):
            yield pairs[start:index]
            start, size = index, len(pair.old) + len(pair.new)
    if pairs:
        yield pairs[start:]


def _sides(batch: Sequence[TextPair]) -> dict[str, bytes]:
    old = {f"a/{index}": pair.old for index, pair in enumerate(batch)}
    return old | {f"b/{index}": pair.new for index, pair in enumerate(batch)}


def _write(directory: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (directory / name).write_bytes(content)


def _parse(completed: Completed) -> dict[str, tuple[Hunk, ...]]:
    try:
        return parse_patches(completed.output)
    except MalformedDiffError as error:
        raise BboxError(
            ErrorCode.PROCESS_FAILED,
            cause=f"The output of git diff can't be read: {error}",
            remediation="Check which git is the first in the system's PATH: `git --version`.",
        ) from error
