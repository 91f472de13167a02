# SPDX-License-Identifier: Apache-2.0
"""A home in memory: JSON is its only format."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.fields import merged, without_secrets
from bbox_server.domain.settings import (
    FILE_LIMIT_BYTES,
    CarriedFile,
    CarriedSettings,
    SettingsEntry,
    SettingsKind,
    SettingsSource,
    SkippedSetting,
    credential_reason,
)
from bbox_server.domain.workspace import HostPath


@dataclass
class MemorySettings(SettingsSource):
    """Files by their path in the home; what is None is a link."""

    files: dict[str, bytes | None] = field(default_factory=dict)

    @override
    async def read(
        self,
        home: HostPath,
        entries: tuple[SettingsEntry, ...],
        own: Mapping[PurePosixPath, bytes],
    ) -> CarriedSettings:
        found: dict[PurePosixPath, CarriedFile] = {}
        skipped = []
        for entry in entries:
            sources = self._sources(entry)
            if not sources and not entry.optional:
                raise BboxError(ErrorCode.SETTINGS_MISSING, cause="", remediation="")
            for source in sources:
                try:
                    file = self._carried(entry, source, own)
                    found[file.path] = file
                except ValueError as error:
                    skipped.append(SkippedSetting(source=source, reason=str(error)))
        return CarriedSettings(files=tuple(found.values()), skipped=tuple(skipped))

    def _sources(self, entry: SettingsEntry) -> list[PurePosixPath]:
        if entry.kind is not SettingsKind.DIRECTORY:
            return [entry.host_path] if str(entry.host_path) in self.files else []
        prefix = f"{entry.host_path}/"
        return [PurePosixPath(name) for name in sorted(self.files) if name.startswith(prefix)]

    def _carried(
        self, entry: SettingsEntry, source: PurePosixPath, own: Mapping[PurePosixPath, bytes]
    ) -> CarriedFile:
        content = self.files[str(source)]
        if content is None or len(content) > FILE_LIMIT_BYTES:
            raise ValueError("a link, or too large")
        if reason := credential_reason(source):
            raise ValueError(reason)
        path = entry.guest_path / source.relative_to(entry.host_path)
        plain = CarriedFile(path=path, source=source, content=content, category=entry.category)
        if entry.kind is not SettingsKind.MERGE_FILE:
            if path in own:
                raise ValueError("bbox's own")
            return plain
        fields = json.loads(content)
        if not isinstance(fields, dict):
            raise ValueError("no mapping")  # noqa: TRY004 (bad input, not a bad call)
        passed = entry.fields.apply(fields)
        kept, secrets = without_secrets(passed)
        both = merged(kept, json.loads(own[path])) if path in own else kept
        return CarriedFile(
            path=path,
            source=source,
            content=f"{json.dumps(both, indent=2, sort_keys=True)}\n".encode(),
            category=entry.category,
            fields_left_out=tuple(sorted(fields.keys() - passed.keys())),
            secrets_left_out=secrets,
        )
