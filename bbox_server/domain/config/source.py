# SPDX-License-Identifier: Apache-2.0
"""Where configs come from, and what the user thinks of a workspace's."""

from enum import StrEnum
from typing import Protocol

from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.workspace import Digest, HostPath


class ConfigFiles(Protocol):
    """Config files of the user and of workspaces."""

    def user_path(self, given: HostPath | None) -> HostPath:
        """Where the user's file is, or would be."""
        ...

    def user(self, given: HostPath | None) -> ConfigLayer:
        """The user's file; empty without one.

        Raises:
            BboxError: config.invalid, with every problem of the file.
        """
        ...

    def workspace(self, workspace: HostPath) -> ConfigLayer | None:
        """A workspace's file; what is wrong with it is among its findings, and not applied."""
        ...


class ConfigWriter(Protocol):
    """Writes the user's file."""

    def init(self, path: HostPath, *, force: bool) -> None:
        """Write a file in which every key is explained and commented out (compat CLI-32).

        Raises:
            BboxError: config.exists; directory.unusable.
        """
        ...


class TrustDecision(StrEnum):
    """What the user said when asked."""

    TRUSTED = "trusted"
    REFUSED = "refused"


class TrustStore(Protocol):
    """What the user said of the files of workspaces; of other bytes nothing is known."""

    def decision(self, workspace: HostPath, digest: Digest) -> TrustDecision | None:
        """What was said; None when nobody was asked."""
        ...

    def decide(self, workspace: HostPath, digest: Digest, decision: TrustDecision) -> None:
        """Remember it. Raises: directory.unusable."""
        ...

    def forget(self, workspace: HostPath) -> bool:
        """Forget all that was said of a workspace's files; False where there was nothing."""
        ...
