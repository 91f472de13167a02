# SPDX-License-Identifier: Apache-2.0
"""The user's known_hosts."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.ssh_agent import DEFAULT_PORT, KnownHost, KnownHosts, SshHost

LIMIT_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UserKnownHosts(KnownHosts):
    """Files of known_hosts(5); those that are missing or can't be read say nothing."""

    files: tuple[Path, ...]

    @override
    async def find(self, hosts: Iterable[SshHost]) -> tuple[KnownHost, ...]:
        return await asyncio.to_thread(lambda: tuple(self._find(tuple(hosts))))

    def _find(self, hosts: tuple[SshHost, ...]) -> Iterator[KnownHost]:
        if not hosts:
            return
        import asyncssh  # half a second, and most workspaces name no SSH host

        for file in self.files:
            try:
                with file.open(encoding="utf-8", errors="replace") as opened:
                    known = asyncssh.import_known_hosts(opened.read(LIMIT_BYTES))
            except (OSError, ValueError):
                continue
            for host in hosts:
                port = None if host.port == DEFAULT_PORT else host.port
                keys, _, revoked, *_ = known.match(host.name, "", port)
                for key in keys:
                    if key not in revoked:
                        line = key.export_public_key("openssh").decode().split()
                        yield KnownHost(host=host, line=" ".join(line[:2]), key=key.public_data)
