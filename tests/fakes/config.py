# SPDX-License-Identifier: Apache-2.0
"""Config files and trust in memory."""

from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.config.problem import Layer
from bbox_server.domain.config.source import ConfigFiles, TrustDecision, TrustStore
from bbox_server.domain.workspace import Digest, HostPath


@dataclass
class MemoryConfigFiles(ConfigFiles):
    """The layers that a test gives it."""

    mine: ConfigLayer = field(default_factory=lambda: ConfigLayer(layer=Layer.GLOBAL))
    theirs: ConfigLayer | None = None

    @override
    def user_path(self, given: HostPath | None) -> HostPath:
        return given or HostPath("/config.yaml")

    @override
    def user(self, given: HostPath | None) -> ConfigLayer:
        return self.mine

    @override
    def workspace(self, workspace: HostPath) -> ConfigLayer | None:
        return self.theirs


@dataclass
class MemoryTrust(TrustStore):
    """What was said, as long as it lives."""

    said: dict[tuple[HostPath, Digest], TrustDecision] = field(default_factory=dict)

    @override
    def decision(self, workspace: HostPath, digest: Digest) -> TrustDecision | None:
        return self.said.get((workspace, digest))

    @override
    def decide(self, workspace: HostPath, digest: Digest, decision: TrustDecision) -> None:
        self.said[workspace, digest] = decision

    @override
    def forget(self, workspace: HostPath) -> bool:
        mine = [key for key in self.said if key[0] == workspace]
        for key in mine:
            del self.said[key]
        return bool(mine)
