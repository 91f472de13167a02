# SPDX-License-Identifier: Apache-2.0
"""Say which rule hides a path, or that none does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.excludes import (
    ExcludeRules,
    Excludes,
    Hidden,
    HideTier,
    hiding_rule,
)
from bbox_server.domain.explanation import Explanation, WorkspacePaths
from bbox_server.domain.sensitive import is_git_internal
from bbox_server.domain.workspace import HostPath, WorkspacePath

GIT_DIRECTORY: Final = Hidden(tier=HideTier.GIT_INTERNAL, pattern=".git/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainPath:
    """Asks the same matchers as the snapshot and the diff do."""

    excludes: Excludes
    paths: Callable[[HostPath], WorkspacePaths]

    async def __call__(
        self,
        workspace: HostPath,
        path: WorkspacePath,
        extra: tuple[str, ...],
        *,
        as_directory: bool = False,
    ) -> Explanation:
        """Explain a path below the workspace's root; `as_directory` also where there is none yet.

        Raises: exclude.invalid, dependency.missing.
        """
        paths = self.paths(workspace)
        return await asyncio.to_thread(
            self._explain, workspace, path, extra, paths, as_directory=as_directory
        )

    def _explain(
        self,
        workspace: HostPath,
        path: WorkspacePath,
        extra: tuple[str, ...],
        paths: WorkspacePaths,
        *,
        as_directory: bool,
    ) -> Explanation:
        is_directory = as_directory or paths.is_directory(path)
        if is_git_internal(path):
            return Explanation(path=path, withheld=GIT_DIRECTORY)
        rules = self.excludes.load(workspace, extra)
        hidden = hiding_rule(self.excludes.snapshot_matcher(rules), path, is_directory=is_directory)
        if hidden is not None and hidden.tier is HideTier.SECURITY:
            return Explanation(path=path, hidden=hidden, withheld=hidden)
        withheld = self._withheld(rules, paths, path, is_directory=is_directory)
        tracked = withheld is not None and paths.is_tracked(path, is_directory=is_directory)
        if tracked and hidden is not None and hidden.tier is HideTier.PERFORMANCE:
            hidden = None
        if tracked and hidden is None:
            withheld = None
        return Explanation(path=path, hidden=hidden, withheld=withheld, tracked=tracked)

    def _withheld(
        self,
        rules: ExcludeRules,
        paths: WorkspacePaths,
        path: WorkspacePath,
        *,
        is_directory: bool,
    ) -> Hidden | None:
        matcher = self.excludes.diff_matcher(rules, paths.ignore_file)
        return hiding_rule(matcher, path, is_directory=is_directory)
