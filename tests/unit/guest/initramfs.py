# SPDX-License-Identifier: Apache-2.0
"""A reader of cpio archives, written apart from both writers so that it can judge them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    path: str
    mode: int
    uid: int
    gid: int
    mtime: int
    device: tuple[int, int]
    content: bytes


def read_archives(data: bytes) -> list[list[Entry]]:
    """Each archive's entries, as the kernel finds them one after the other."""
    archives: list[list[Entry]] = []
    offset = 0
    while offset < len(data):
        if data[offset] == 0:
            offset += 1
            continue
        entries, offset = _read_archive(data, offset)
        archives.append(entries)
    return archives


def by_path(entries: list[Entry]) -> dict[str, Entry]:
    paths = [entry.path for entry in entries]
    assert len(set(paths)) == len(paths)
    return {entry.path: entry for entry in entries}


def _read_archive(data: bytes, offset: int) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    while True:
        assert offset % 4 == 0
        assert data[offset : offset + 6] == b"070701"
        fields = [int(data[offset + 6 + i * 8 : offset + 14 + i * 8], 16) for i in range(13)]
        name_end = offset + 110 + fields[11]
        name = data[offset + 110 : name_end - 1].decode()
        assert data[name_end - 1] == 0
        start = name_end + -name_end % 4
        end = start + fields[6]
        offset = end + -end % 4
        if name == "TRAILER!!!":
            return entries, offset
        entries.append(
            Entry(
                path=name,
                mode=fields[1],
                uid=fields[2],
                gid=fields[3],
                mtime=fields[5],
                device=(fields[9], fields[10]),
                content=data[start:end],
            )
        )
