# SPDX-License-Identifier: Apache-2.0
"""The config files on this machine (compat CFG-01, CFG-02)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.config.problem import Finding, FindingKind, Layer, Origin
from bbox_server.domain.config.source import ConfigFiles
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.decode import decode_config
from bbox_server.infra.config.reader import UnreadableError, read_small

USER_FILE: Final = "config.yaml"
WORKSPACE_FILE: Final = ".broodbox.yaml"
REMEDY: Final = (
    "Correct the file; `bbox config validate` checks it, docs/guide/configuration.md has its keys."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskConfigFiles(ConfigFiles):
    """Files on the disk.

    Attributes:
        directory: Where the user's file is unless another one is named.
    """

    directory: Path

    @override
    def user_path(self, given: HostPath | None) -> HostPath:
        return given or HostPath(str(self.directory / USER_FILE))

    @override
    def user(self, given: HostPath | None) -> ConfigLayer:
        path = Path(self.user_path(given))
        try:
            content = read_small(path, follow_links=True)
        except UnreadableError as error:
            raise _invalid(f"{_shown(path)}: {error}.") from error
        if content is None:
            if given is not None:
                raise _invalid(f"There is no file {_shown(path)}.")
            return ConfigLayer(layer=Layer.GLOBAL, file=_shown(path))
        decoded = decode_config(content, layer=Layer.GLOBAL, file=_shown(path))
        wrong = [one for one in decoded.findings if one.kind is FindingKind.INVALID]
        if wrong:
            raise _invalid("\n  ".join(escape_text(str(one)) for one in wrong))
        return decoded

    @override
    def workspace(self, workspace: HostPath) -> ConfigLayer | None:
        try:
            content = read_small(Path(workspace, WORKSPACE_FILE), follow_links=False)
        except UnreadableError as error:
            return _ignored(str(error))
        if content is None:
            return None
        return decode_config(content, layer=Layer.WORKSPACE, file=WORKSPACE_FILE)


def _ignored(reason: str) -> ConfigLayer:
    origin = Origin(layer=Layer.WORKSPACE, file=WORKSPACE_FILE)
    text = f"{reason}; it is ignored"
    finding = Finding(kind=FindingKind.INVALID, path=(), text=text, origin=origin)
    return ConfigLayer(layer=Layer.WORKSPACE, file=WORKSPACE_FILE, findings=(finding,))


def _shown(path: Path) -> str:
    return escape_text(str(path))


def _invalid(cause: str) -> BboxError:
    return BboxError(ErrorCode.CONFIG_INVALID, cause=cause, remediation=REMEDY)
