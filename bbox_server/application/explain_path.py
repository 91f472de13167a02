# SPDX-License-Identifier: Apache-2.0
"""Say which rule hides a path, or that none does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bbox_server.application.resolve_config import ResolveConfig
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

CONFIG_SOURCE: Final = "review.exclude_patterns"
GIT_DIRECTORY: Final = Hidden(tier=HideTier.GIT_INTERNAL, pattern=".git/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludeOptions:
    """What a run is told beside the workspace's own files.

    Attributes:
        config_file: The user's, where it is not the usual one.
    """

    patterns: tuple[str, ...] = ()
    config_file: HostPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainPath:
    """Asks the same matchers as the snapshot and the diff do."""

    excludes: Excludes
    paths: Callable[[HostPath], WorkspacePaths]
    configs: ResolveConfig

    async def __call__(
        self,
        workspace: HostPath,
        path: WorkspacePath,
        asked: ExcludeOptions,
        *,
        as_directory: bool = False,
    ) -> Explanation:
        """Explain a path below the workspace's root; `as_directory` also where there is none yet.

        Raises: exclude.invalid, dependency.missing, config.invalid.
        """
        return await asyncio.to_thread(
            self._explain, workspace, path, asked, as_directory=as_directory
        )

    def _explain(
        self,
        workspace: HostPath,
        path: WorkspacePath,
        asked: ExcludeOptions,
        *,
        as_directory: bool,
    ) -> Explanation:
        paths = self.paths(workspace)
        is_directory = as_directory or paths.is_directory(path)
        if is_git_internal(path):
            return Explanation(path=path, withheld=GIT_DIRECTORY)
        rules = self._rules(workspace, asked)
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

    def _rules(self, workspace: HostPath, asked: ExcludeOptions) -> ExcludeRules:
        """As a run with these options has them: the config's patterns come first (CLI-17)."""
        config = self.configs(workspace, asked.config_file).config
        configured = config.review.exclude_patterns or ()
        rules = self.excludes.load(workspace, (*configured, *asked.patterns))
        kept = sum(1 for pattern in configured if pattern.strip())
        named = (replace(line, source=CONFIG_SOURCE) for line in rules.extra_patterns[:kept])
        return replace(rules, extra_patterns=(*named, *rules.extra_patterns[kept:]))

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
