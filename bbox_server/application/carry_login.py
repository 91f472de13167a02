# SPDX-License-Identifier: Apache-2.0
"""Carry an agent's own login into the guest, and what became of it back out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.agent import Agent
from bbox_server.domain.clock import Clock
from bbox_server.domain.error import BboxError
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.guest_login import OUTPUT_BYTES, parse_found, read_command
from bbox_server.domain.held_login import KINDS, read_tokens
from bbox_server.domain.launch import GUEST_HOME
from bbox_server.domain.login import (
    CarriedLogin,
    CredentialFile,
    FoundCredentials,
    HostLogins,
    LoginStore,
    within_limits,
)
from bbox_server.domain.login_expiry import is_worth_seeding
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.run import LoginOptions
from bbox_server.domain.terminal import GuestShell

# An emulated guest on a busy machine takes some seconds; a hostile one may never answer.
READ_TIMEOUT_S: Final = 30
SHOWN_REASONS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryLogin:
    """Only what is on the agent's list, and never more than the limits (compat CRD)."""

    store: LoginStore
    host: HostLogins
    clock: Clock
    progress: ProgressObserver

    def load(self, agent: Agent | None, options: LoginOptions) -> CarriedLogin | None:
        """What goes into the guest; None where nothing is kept. Raises: credential.store-failed.

        A login that the host can hold goes into no guest, and none is taken over from one unless
        the user logs in inside: a guest must not choose the account of later sessions.
        """
        if agent is None or not options.save or not agent.credential_paths:
            return None
        if options.seed:
            self._seed(agent)
        files = self.store.load(agent.name, agent.credential_paths)
        kept, refused = within_limits(files, agent.credential_paths)
        for reason in _first(refused):
            self.progress.warned(f"Not carried of the saved login: {reason}")
        if not options.inside and self._is_held(agent, kept):
            return None
        return CarriedLogin(agent=agent.name, paths=agent.credential_paths, files=kept)

    def _is_held(self, agent: Agent, files: tuple[CredentialFile, ...]) -> bool:
        forms = [provider.login for provider in agent.providers if provider.login is not None]
        if not forms:
            return False
        by_path = {file.path: file.content for file in files}
        strange = [
            KINDS[form].path
            for form in forms
            if KINDS[form].path in by_path and read_tokens(form, by_path[KINDS[form].path]) is None
        ]
        for path in strange:
            self.progress.warned(f"The saved {path} has a form that this host can't hold")
        return not strange

    async def save(
        self, shell: GuestShell, login: CarriedLogin | None, written: Sequence[GuestFile]
    ) -> None:
        """Take over what the agent changed of its login. Never raises: the run has ended well."""
        if login is None:
            return
        self.progress.started(Phase.SAVE_LOGIN, "Saving the agent's login…")
        try:
            found = await self._read(shell, login, _ours(login, written))
            update = self.store.save(login.agent, login.files, found)
        except (BboxError, TimeoutError) as error:
            cause = error.cause if isinstance(error, BboxError) else "the guest does not answer"
            self.progress.failed(Phase.SAVE_LOGIN, f"The agent's login is not saved: {cause}")
            return
        for reason in _first(found.refused):
            self.progress.warned(f"Not saved of the agent's login: {reason}")
        self.progress.finished(Phase.SAVE_LOGIN, "The agent's login is looked after")
        for did, paths in (
            ("saved", [file.path for file in update.written]),
            ("forgotten", update.removed),
        ):
            if paths:
                names = ", ".join(map(str, paths))
                self.progress.noted(f"Login of {login.agent} {did}: {names}")

    async def _read(
        self, shell: GuestShell, login: CarriedLogin, ours: frozenset[PurePosixPath]
    ) -> FoundCredentials:
        output = bytearray()
        async with (
            asyncio.timeout(READ_TIMEOUT_S),
            shell.run(read_command(login.paths)) as process,
        ):
            while chunk := await process.read():
                output += chunk
                if len(output) > OUTPUT_BYTES:
                    return _incomplete(parse_found(bytes(output), login.paths, ours))
            status = await process.wait()
        found = parse_found(bytes(output), login.paths, ours)
        return found if status.code == 0 else _incomplete(found)

    def _seed(self, agent: Agent) -> None:
        """Copy the host's own login, where it is newer than what is saved (compat CRD-06)."""
        saved = {f.path: f for f in self.store.load(agent.name, agent.credential_paths)}
        now_ms = self.clock.now() * 1000
        files = [self.host.read(path) for path in agent.credential_paths]
        seeds = tuple(
            file
            for file in files
            if file is not None and is_worth_seeding(file, saved.get(file.path), now_ms)
        )
        if not seeds:
            self.progress.noted(
                f"No login of {agent.name} on this host is newer than the saved one"
            )
            return
        found = FoundCredentials(files=seeds, complete=False)
        self.store.save(agent.name, (), found)
        names = ", ".join(str(file.path) for file in seeds)
        self.progress.noted(f"Login of this host taken over: {names}")


def _first(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """As many as a user reads; the guest can give any number of them."""
    more = len(reasons) - SHOWN_REASONS
    return (*reasons[:SHOWN_REASONS], *((f"and {more} more",) if more > 0 else ()))


def _ours(login: CarriedLogin, written: Sequence[GuestFile]) -> frozenset[PurePosixPath]:
    carried = {file.path for file in login.files}
    paths = {PurePosixPath(GUEST_HOME, file.path) for file in written}
    inside = {path.relative_to(GUEST_HOME) for path in paths if path.is_relative_to(GUEST_HOME)}
    return frozenset(inside - carried)


def login_files(login: CarriedLogin | None) -> tuple[GuestFile, ...]:
    """A login as files for the guest."""
    files: tuple[CredentialFile, ...] = login.files if login else ()
    return tuple(GuestFile(path=file.path, content=file.content) for file in files)


def _incomplete(found: FoundCredentials) -> FoundCredentials:
    return FoundCredentials(
        files=found.files, present=found.present, refused=found.refused, complete=False
    )
