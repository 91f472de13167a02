# SPDX-License-Identifier: Apache-2.0
"""Start everything around the agent, run it, and end everything."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from bbox_server.application.allow_packages import AllowPackages
from bbox_server.application.attach_terminal import AttachTerminal
from bbox_server.application.carry_login import CarryLogin
from bbox_server.application.session_journal import SessionJournal
from bbox_server.application.steer_network import SteerNetwork
from bbox_server.domain.clock import Clock
from bbox_server.domain.credential import GATEWAY_PORT, CredentialProxy, RunningProxy
from bbox_server.domain.egress.event import EgressEvent, EgressEventKind
from bbox_server.domain.egress.relay import (
    GatewayService,
    NetworkRelay,
    RelaySpec,
    RunningRelay,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.launch import GUEST_AGENT_SOCKET, GUEST_HOME, GUEST_WORKSPACE, Launch
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import (
    EventKind,
    EventValue,
    ExitStatus,
    SessionDirectories,
    SessionObserver,
    SessionState,
)
from bbox_server.domain.ssh_agent import AgentUse
from bbox_server.domain.terminal import (
    GuestCommand,
    GuestShell,
    GuestUser,
    ShellConnector,
    UserTerminal,
)
from bbox_server.domain.vm import (
    GuestConfig,
    RunningVm,
    ShellIdentity,
    StopMode,
    VmBackend,
    VmSpec,
    WorkspaceShare,
)
from bbox_server.domain.workspace import below

NANOSECONDS: Final = 1_000_000_000
STOP_TIMEOUT_S: Final = 20
# 128 + SIGKILL, as a shell reports it
KILLED_CODE: Final = 137
HOSTNAME: Final = "bbox"
SAID_BYTES: Final = 200
NETWORK_SOCKET: Final = "net"
CONSOLE_LOG: Final = "console.log"
# The guest's own table mounts the overlay; over it comes the share that is its lower layer.
MOUNT_DIRECTLY: Final = GuestCommand(
    argv=("/run/bbox/busybox", "mount", "-t", "virtiofs", "-o", "nosuid,nodev", "lo", "/workspace"),
    directory="/",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSandbox:
    """One agent run, from power-on to power-off."""

    relay: NetworkRelay
    proxy: CredentialProxy
    backend: VmBackend
    shells: ShellConnector
    clock: Clock
    progress: ProgressObserver
    terminal: UserTerminal
    logins: CarryLogin
    network: SteerNetwork
    packages: AllowPackages

    async def __call__(
        self,
        launch: Launch,
        share: WorkspaceShare,
        directories: SessionDirectories,
        journal: SessionJournal,
        attach: AttachTerminal,
    ) -> ExitStatus:
        """Return how the agent ended; by then nothing of the VM runs any more."""
        journal.enter(SessionState.STARTING)
        self.progress.started(Phase.START_VM, "Starting the microVM…")
        async with self._vm(launch, share, directories, journal) as (vm, identity):
            try:
                if share.is_direct:
                    await self._mount_directly(vm, identity)
                status = await self._log_in(vm, identity, launch, journal, attach)
            except asyncio.CancelledError:
                # What the agent wrote last may be in the guest's memory alone.
                await self._stop(vm)
                raise
            journal.enter(SessionState.STOPPING)
            await self._stop(vm)
            self.progress.started(Phase.CLEANUP, "Cleaning up…")
        self.progress.finished(Phase.CLEANUP, "Cleaned up")
        return status

    async def _mount_directly(self, vm: RunningVm, identity: ShellIdentity) -> None:
        """Put the workspace itself in the place of its overlay. Raises: share.failed."""
        channel = await vm.open_shell_channel()
        async with (
            self.shells.connect(channel, identity, GuestUser.ROOT) as shell,
            shell.run(MOUNT_DIRECTLY) as process,
        ):
            said = await process.read_error()
            status = await process.wait()
        if status.code != 0:
            raise BboxError(
                ErrorCode.SHARE_FAILED,
                cause=f"The guest could not mount the workspace: {_said(said)}.",
                remediation="Use the mode `snapshot`.",
            )

    async def _log_in(
        self,
        vm: RunningVm,
        identity: ShellIdentity,
        launch: Launch,
        journal: SessionJournal,
        attach: AttachTerminal,
    ) -> ExitStatus:
        self.progress.started(Phase.SSH_WAIT, "Logging in")
        async with self.shells.connect(await vm.open_shell_channel(), identity) as shell:
            self.progress.finished(Phase.SSH_WAIT, "Logged in")
            self.progress.finished(Phase.MICROVM, "The microVM answers")
            await self._write_files(shell, launch)
            self.progress.finished(Phase.START_VM, "MicroVM is up")
            journal.enter(SessionState.RUNNING)
            self.progress.started(Phase.TERMINAL, "Running the agent")
            async with _lent_agent(shell, launch, journal):
                status = _explained(await self._run(shell, launch, attach), vm)
            journal.ended(status)
            self.progress.finished(Phase.TERMINAL, "Agent has ended")
            await self.logins.save(shell, launch.login, launch.files)
        return status

    @asynccontextmanager
    async def _vm(
        self,
        launch: Launch,
        share: WorkspaceShare,
        directories: SessionDirectories,
        journal: SessionJournal,
    ) -> AsyncIterator[tuple[RunningVm, ShellIdentity]]:
        identity = self.shells.new_identity()
        async with AsyncExitStack() as stack:
            services: tuple[GatewayService, ...] = ()
            watching = await stack.enter_async_context(asyncio.TaskGroup())
            if launch.credentials is not None:
                proxy = await stack.enter_async_context(
                    self.proxy.start(
                        launch.credentials, _Aloud(journal.observer, self.progress.warned)
                    )
                )
                watch = watching.create_task(self._watch_proxy(proxy, journal))
                stack.callback(watch.cancel)
                services = (GatewayService(port=GATEWAY_PORT, socket=launch.credentials.socket),)
            network = below(directories.runtime, NETWORK_SOCKET)
            relay = await stack.enter_async_context(
                self.relay.start(
                    RelaySpec(
                        session=journal.record.id,
                        socket=network,
                        policy=launch.policy,
                        services=services,
                        host_services=launch.ways.services,
                        forwards=launch.ways.forwards,
                        proxy=launch.ways.proxy,
                    ),
                    lambda event: self._hear(event, journal),
                )
            )
            await stack.enter_async_context(
                self.network.steering(relay, launch.policy, journal.observer)
            )
            watch = watching.create_task(self._watch_relay(relay, journal))
            stack.callback(watch.cancel)
            self.progress.started(Phase.MICROVM, "Running the microVM")
            self.progress.started(Phase.BOOT, "Booting")
            async with asyncio.TaskGroup() as meanwhile:
                # An emulated boot leaves a core to whatever else takes time.
                meanwhile.create_task(self._allow_packages(launch))
                meanwhile.create_task(self.shells.warm_up())
                vm = await stack.enter_async_context(
                    self.backend.start(
                        VmSpec(
                            session=journal.record.id,
                            runtime_directory=directories.runtime,
                            root_filesystem=launch.root.path,
                            share=share,
                            network_socket=network,
                            console_log=below(directories.state, CONSOLE_LOG),
                            resources=launch.resources,
                            guest=self._guest(launch, identity),
                        )
                    )
                )
            self.progress.finished(Phase.BOOT, "Booted")
            yield vm, identity

    async def _allow_packages(self, launch: Launch) -> None:
        if launch.opens_packages:
            policy = await self.packages(launch)
            # A relay that is gone is told by whoever waits for it.
            with suppress(BboxError):
                await self.network.begin_with(policy)

    def _hear(self, event: EgressEvent, journal: SessionJournal) -> None:
        self.network.heard(event)
        _report(event, journal)

    async def _watch_proxy(self, proxy: RunningProxy, journal: SessionJournal) -> None:
        try:
            await proxy.wait()
        except BboxError as error:
            self._lost(f"The agent has lost its provider: {error.cause}", journal)

    async def _watch_relay(self, relay: RunningRelay, journal: SessionJournal) -> None:
        end = await relay.wait()
        self._lost(f"The guest has no network any more: {end.cause}", journal)

    def _lost(self, message: str, journal: SessionJournal) -> None:
        journal.observer.event(EventKind.WARNING, {"text": message})
        self.progress.warned(message)

    def _guest(self, launch: Launch, identity: ShellIdentity) -> GuestConfig:
        return GuestConfig(
            hostname=HOSTNAME,
            tmp_size_mib=launch.resources.tmp_size_mib,
            identity=identity,
            time_ns=int(self.clock.now() * NANOSECONDS),
            image_env=launch.root.config.env,
            # The workspace is mounted: only what an image names may be missing.
            directory="" if launch.directory == GUEST_WORKSPACE else launch.directory,
            trusted_certificates=launch.trusted_certificates,
            home=tuple(file for file in launch.files if not file.path.is_absolute()),
        )

    async def _write_files(self, shell: GuestShell, launch: Launch) -> None:
        elsewhere = tuple(file for file in launch.files if file.path.is_absolute())
        await shell.write_files(elsewhere, GUEST_HOME)

    async def _run(self, shell: GuestShell, launch: Launch, attach: AttachTerminal) -> ExitStatus:
        command = GuestCommand(
            argv=launch.argv,
            env=launch.env,
            directory=launch.directory,
            terminal=self.terminal.size(),
        )
        async with shell.run(command) as process:
            return await attach(process)

    async def _stop(self, vm: RunningVm) -> None:
        self.progress.started(Phase.STOP, "Stopping the microVM…")
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await vm.stop(StopMode.GRACEFUL)
        self.progress.finished(Phase.STOP, "MicroVM stopped")


@dataclass(frozen=True, slots=True)
class _Aloud(SessionObserver):
    """Keeps events, and says warnings to who is there."""

    kept: SessionObserver
    say: Callable[[str], None]

    @override
    def event(self, kind: EventKind, fields: Mapping[str, EventValue]) -> None:
        self.kept.event(kind, fields)
        if kind is EventKind.WARNING:
            self.say(str(fields["text"]))


@asynccontextmanager
async def _lent_agent(
    shell: GuestShell, launch: Launch, journal: SessionJournal
) -> AsyncIterator[None]:
    if launch.ssh_agent is None:
        yield
        return

    def report(use: AgentUse) -> None:
        journal.observer.event(EventKind.CREDENTIAL_USED, use.fields())

    async with shell.lend_agent(GUEST_AGENT_SOCKET, launch.ssh_agent, report):
        yield


def _said(output: bytes) -> str:
    return escape_text(output[:SAID_BYTES].decode(errors="replace").strip()) or "no reason"


def _explained(status: ExitStatus, vm: RunningVm) -> ExitStatus:
    """Add what only the guest's kernel knows: that a kill was for want of memory."""
    killed = status.signal == "KILL" or status.code == KILLED_CODE
    return dataclasses.replace(status, out_of_memory=killed and bool(vm.memory_kills()))


def _report(event: EgressEvent, journal: SessionJournal) -> None:
    kind = EVENT_KINDS.get(event.kind)
    if kind is None:
        return
    journal.observer.event(
        kind,
        {
            "host": event.host,
            "address": event.address,
            "port": event.port,
            "transport": event.transport,
            "reason": event.reason,
            "rule": event.rule,
            "count": event.count,
            "flow": event.flow,
            "up_bytes": event.up_bytes,
            "down_bytes": event.down_bytes,
            "elapsed_ms": event.elapsed_ms,
        },
    )


EVENT_KINDS: Final = {
    EgressEventKind.BLOCKED: EventKind.NETWORK_BLOCKED,
    EgressEventKind.DNS_BLOCKED: EventKind.NETWORK_BLOCKED,
    EgressEventKind.FLOOD: EventKind.NETWORK_BLOCKED,
    EgressEventKind.LINK_VIOLATION: EventKind.NETWORK_BLOCKED,
    EgressEventKind.ASK: EventKind.NETWORK_ASK,
    EgressEventKind.OPEN: EventKind.NETWORK_OPEN,
    EgressEventKind.CLOSE: EventKind.NETWORK_CLOSE,
}
