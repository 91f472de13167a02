# SPDX-License-Identifier: Apache-2.0
"""Rules that outlive their session."""

from typing import Protocol

from bbox_server.domain.egress.rule import HostRule


class KeptRules(Protocol):
    """The user's own rules: those of their config, never of a workspace's."""

    def keep(self, rule: HostRule) -> None:
        """Allow it in every later session; one twice is the same.

        Raises:
            BboxError: config.invalid, where it has no place in the file; directory.unusable.
        """
        ...
