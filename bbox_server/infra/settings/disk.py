# SPDX-License-Identifier: Apache-2.0
"""Settings on the user's disk."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.fields import merged, without_secrets
from bbox_server.domain.settings import (
    FILE_COUNT_LIMIT,
    TOTAL_LIMIT_BYTES,
    CarriedFile,
    CarriedSettings,
    SettingsEntry,
    SettingsFormat,
    SettingsKind,
    SettingsSource,
    SkippedSetting,
    credential_reason,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.settings.formats import UnusableFileError, parse, serialized
from bbox_server.infra.settings.home import FoundFile, home_directory, list_files, read_file

Own = Mapping[PurePosixPath, bytes]


class DiskSettings(SettingsSource):
    """Reads a home in a thread."""

    @override
    async def read(
        self, home: HostPath, entries: tuple[SettingsEntry, ...], own: Own
    ) -> CarriedSettings:
        return await asyncio.to_thread(_read, home, entries, own)


def _read(home: HostPath, entries: tuple[SettingsEntry, ...], own: Own) -> CarriedSettings:
    try:
        with home_directory(home) as home_fd:
            reading = _Reading(home_fd=home_fd, own=own)
            for entry in entries:
                reading.take(entry)
    except OSError as error:
        reason = f"the home {home} can't be read: {error.strerror}"
        return CarriedSettings(skipped=(SkippedSetting(source=PurePosixPath("."), reason=reason),))
    return CarriedSettings(files=tuple(reading.files.values()), skipped=tuple(reading.skipped))


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One run's reading, with what is left of the caps (compat SET-01)."""

    home_fd: int
    own: Own
    files: dict[PurePosixPath, CarriedFile] = field(default_factory=dict)
    skipped: list[SkippedSetting] = field(default_factory=list)

    def take(self, entry: SettingsEntry) -> None:
        """Add what is there of an entry. Raises: settings.missing."""
        try:
            if entry.kind is SettingsKind.DIRECTORY:
                self._take_directory(entry)
            else:
                self._take_file(entry, entry.host_path)
        except FileNotFoundError as error:
            if not entry.optional:
                raise _missing(entry) from error
        except UnusableFileError as error:
            self._skip(entry.host_path, error)

    def _take_directory(self, entry: SettingsEntry) -> None:
        for source, fault in list_files(self.home_fd, entry.host_path):
            if len(self.files) >= FILE_COUNT_LIMIT:
                raise UnusableFileError(f"more than {FILE_COUNT_LIMIT} files are not carried")
            if fault is not None:
                self._skip(source, fault)
                continue
            try:
                self._take_file(entry, source)
            except (FileNotFoundError, UnusableFileError) as error:
                self._skip(source, error)

    def _take_file(self, entry: SettingsEntry, source: PurePosixPath) -> None:
        reason = credential_reason(source)
        if reason is not None:
            raise UnusableFileError(reason)
        found = read_file(self.home_fd, source)
        path = entry.guest_path / source.relative_to(entry.host_path)
        self._add(self._carried(entry, source, path, found))

    def _add(self, file: CarriedFile) -> None:
        before = self.files.get(file.path)
        total = sum(len(each.content) for each in self.files.values())
        total += len(file.content) - (len(before.content) if before else 0)
        if len(self.files) >= FILE_COUNT_LIMIT and before is None:
            raise UnusableFileError(f"more than {FILE_COUNT_LIMIT} files are not carried")
        if total > TOTAL_LIMIT_BYTES:
            raise UnusableFileError(f"all files together are larger than {TOTAL_LIMIT_BYTES} bytes")
        self.files[file.path] = file

    def _carried(
        self, entry: SettingsEntry, source: PurePosixPath, path: PurePosixPath, found: FoundFile
    ) -> CarriedFile:
        if entry.kind is SettingsKind.MERGE_FILE:
            return self._merged(entry, found.content)
        if path in self.own:
            raise UnusableFileError("bbox writes a file of its own there")
        return CarriedFile(
            path=path,
            source=source,
            content=found.content,
            category=entry.category,
            mode=0o700 if found.is_executable else 0o600,
        )

    def _merged(self, entry: SettingsEntry, content: bytes) -> CarriedFile:
        written_as = entry.format or SettingsFormat.JSON
        fields = parse(content, written_as)
        passed = entry.fields.apply(fields)
        kept, secrets = without_secrets(passed)
        own = self.own.get(entry.guest_path)
        if own is not None:
            kept = merged(kept, parse(own, written_as))
        return CarriedFile(
            path=entry.guest_path,
            source=entry.host_path,
            content=serialized(kept, written_as),
            category=entry.category,
            fields_left_out=tuple(sorted(fields.keys() - passed.keys())),
            secrets_left_out=secrets,
        )

    def _skip(self, source: PurePosixPath, error: Exception) -> None:
        self.skipped.append(SkippedSetting(source=source, reason=str(error)))


def _missing(entry: SettingsEntry) -> BboxError:
    return BboxError(
        ErrorCode.SETTINGS_MISSING,
        cause=f"~/{entry.host_path} is not there, and the agent's definition asks for it.",
        remediation="Make it, or say `optional: true` in the agent's settings.",
    )
