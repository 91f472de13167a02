# SPDX-License-Identifier: Apache-2.0
"""The composition root: it names the adapters and reads the environment; nothing else does.

Imports are inside the functions, so that `bbox --help` does not pay for what it doesn't use.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.application.carry_login import CarryLogin
from bbox_server.application.carry_settings import CarrySettings
from bbox_server.application.configure_run import ConfigureRun
from bbox_server.application.diagnose import Diagnose
from bbox_server.application.explain_path import ExplainPath
from bbox_server.application.export_trace import ExportTrace
from bbox_server.application.find_session import FindSession
from bbox_server.application.open_directly import OpenDirectly
from bbox_server.application.open_review import OpenReview, ReviewParts
from bbox_server.application.plan_run import PlanRun
from bbox_server.application.prepare_run import PrepareRun
from bbox_server.application.prune_sessions import KEEP_DAYS, PruneSessions
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.application.run_agent import RunAgent, SessionFiles
from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.agent_commits import AgentCommits
from bbox_server.domain.clock import IdSource
from bbox_server.domain.credential import CredentialProxy
from bbox_server.domain.gateway import SessionGateway
from bbox_server.domain.image import ImageStore
from bbox_server.domain.login import HostLogins, LoginStore
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import (
    SessionDirectories,
    SessionEvent,
    SessionId,
    SessionObserver,
    SessionRecord,
)
from bbox_server.domain.snapshot import Overlay, Snapshots
from bbox_server.domain.terminal import TerminalRecorder, UserTerminal
from bbox_server.domain.vm import VmBackend
from bbox_server.domain.workspace import HostPath, below
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.entrypoints.session_host.services import HostServices
from bbox_server.infra.clock.system import GivenIds, RandomIds, SystemClock
from bbox_server.infra.host.directories import (
    Directories,
    make_directories,
    resolve_directories,
)
from bbox_server.infra.process.sandbox_user import SandboxUser, resolve_sandbox_user
from bbox_server.infra.sessions.event_log import EventLog
from bbox_server.infra.sessions.stale import DiskStaleFiles
from bbox_server.infra.sessions.store import DiskSessionStore

PACKAGE: Final = "bbox-server"
TERMINAL_RING: Final = "terminal.ring"
UPPER: Final = "upper"
FLUSHES: Final = "flush"
AGENT_GIT: Final = "git"
# Where distributions keep what their own clients trust, besides SSL_CERT_FILE.
CERTIFICATE_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)


def cli() -> None:
    """The `bbox` command."""
    from bbox_server.entrypoints.cli.console import standard_console
    from bbox_server.entrypoints.cli.main import main

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    code = main(
        sys.argv[1:],
        version=f"bbox {version(PACKAGE)}",
        services=lambda: Composition(environ=dict(os.environ)).services(),
        console=standard_console(colour=colour),
    )
    sys.exit(code)


def lsp() -> None:
    """The `bbox-server` command."""
    from bbox_server.entrypoints.lsp.main import main

    number = version(PACKAGE)
    code = main(
        sys.argv[1:],
        version=f"bbox-server {number}",
        services=lambda: Composition(environ=dict(os.environ)).lsp_services(number),
    )
    sys.exit(code)


def session_host() -> None:
    """A session's host: started by the gateway with the session and a listening socket."""
    import socket

    from bbox_server.entrypoints.session_host.main import main

    session, listener = SessionId(sys.argv[1]), int(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    composition = HostComposition(environ=dict(os.environ), session=session)
    main(composition.host_services, socket.socket(fileno=listener))


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Makes the adapters of one process, each once and only when it is needed."""

    environ: Mapping[str, str] = field(repr=False)

    def services(self) -> Services:
        """What the command line gets."""
        from bbox_server.infra.config.template import TemplateWriter
        from bbox_server.infra.host.desk import UserDesk
        from bbox_server.infra.sessions.logs import DiskSessionLogs

        return Services(
            environ=self.environ,
            directory=HostPath(os.path.realpath(".")),
            sessions=self.sessions,
            find=FindSession(sessions=self.sessions),
            agents=lambda: self.agents,
            logins=lambda: self.logins,
            gateway=self.gateway,
            diagnose=self.diagnose,
            explain=self.explain,
            plan=lambda progress: PlanRun(
                configure=self.configure_run,
                prepare=self.prepare_run(progress, self.snapshots),
                progress=progress,
            ),
            logs=DiskSessionLogs(state=self.directories.state),
            trace=lambda: self.trace,
            desk=UserDesk(environ=self.environ),
            configs=lambda: self.configs,
            config_writer=TemplateWriter,
        )

    @cached_property
    def directories(self) -> Directories:
        """The four places, made."""
        directories = resolve_directories(self.environ, uid=os.geteuid())
        make_directories(directories)
        return directories

    @cached_property
    def user(self) -> SandboxUser:
        """Who QEMU and its daemons are."""
        return resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment=self.environ)

    @cached_property
    def sessions(self) -> DiskSessionStore:
        """Sessions on disk."""
        return DiskSessionStore(
            state=self.directories.state,
            runtime=self.directories.runtime,
            keep_runtime=self._keeps_data,
        )

    @cached_property
    def logins(self) -> LoginStore:
        """Agents' saved logins."""
        from bbox_server.infra.credential.logins import DiskLoginStore

        return DiskLoginStore(config=self.directories.config)

    @property
    def host_logins(self) -> HostLogins:
        """What the user is logged in to on this machine."""
        from bbox_server.infra.credential.logins import HomeLogins

        return HomeLogins(home=Path(self.environ.get("HOME") or "/"))

    @cached_property
    def agents(self) -> AgentRegistry:
        """The agents there are."""
        from bbox_server.infra.agents.registry import BuiltinAgents

        return BuiltinAgents()

    @cached_property
    def configs(self) -> ResolveConfig:
        """What is configured, for any workspace."""
        from bbox_server.infra.config.files import DiskConfigFiles
        from bbox_server.infra.config.trust import DiskTrust

        return ResolveConfig(
            files=DiskConfigFiles(directory=self.directories.config),
            trust=DiskTrust(root=self.directories.state / "trust"),
            built_in=self.agents,
        )

    @cached_property
    def images(self) -> ImageStore:
        """Root filesystems."""
        from bbox_server.infra.images.squashfs import SquashfsWriter
        from bbox_server.infra.images.store import SquashfsImageStore

        return SquashfsImageStore(
            root=self.directories.cache / "images", writer=SquashfsWriter(user=self.user)
        )

    @cached_property
    def snapshots(self) -> Snapshots:
        """Baselines of workspaces."""
        return self.make_snapshots(lambda _: None)

    def make_snapshots(self, advanced: Callable[[str], None]) -> Snapshots:
        """The same, telling how far a long snapshot is."""
        from bbox_server.infra.excludes.disk import DiskExcludes
        from bbox_server.infra.git.repositories import GitCommand
        from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace

        places = self.directories
        return DiskSnapshots(
            place=SnapshotPlace(
                root=places.state / "baselines",
                owner=self.user,
                private=(places.state, places.cache, places.runtime),
            ),
            excludes=DiskExcludes(),
            git=GitCommand(),
            progress=advanced,
        )

    @cached_property
    def backend(self) -> VmBackend:
        """Where microVMs run."""
        from bbox_server.infra.guest_system.system import BuiltGuestSystem
        from bbox_server.infra.qemu.backend import QemuBackend
        from bbox_server.infra.qemu.settings import QemuSettings

        cache = self.directories.cache
        return QemuBackend(
            BuiltGuestSystem(root=cache / "guest", owner=self.user),
            QemuSettings(user=self.user, cache_directory=cache),
        )

    @cached_property
    def credential_proxy(self) -> CredentialProxy:
        """Where providers' keys are used."""
        from bbox_server.infra.credential.proxy import ProcessCredentialProxy

        return ProcessCredentialProxy(user=self.user, environment=self.environ)

    @property
    def configure_run(self) -> ConfigureRun:
        """What puts the config under a request."""
        return ConfigureRun(resolve=self.configs, host_cpus=os.cpu_count() or 1)

    def prepare_run(self, progress: ProgressObserver, snapshots: Snapshots) -> PrepareRun:
        """What decides on a run before it starts."""
        from bbox_server.infra.egress.package_hosts import ClientPackageHosts
        from bbox_server.infra.git.identity import UserGitIdentity
        from bbox_server.infra.settings.disk import DiskSettings
        from bbox_server.infra.ssh.known_hosts import UserKnownHosts

        return PrepareRun(
            images=self.images,
            snapshots=snapshots,
            identities=UserGitIdentity(environ=self.environ),
            settings=CarrySettings(source=DiskSettings(), progress=progress),
            package_hosts=ClientPackageHosts(environment=self.environ),
            backend=self.backend,
            proxy=self.credential_proxy,
            progress=progress,
            trusted_certificates=trusted_certificates(self.environ),
            logins=self.carry_login(progress),
            known_hosts=UserKnownHosts(files=known_hosts_files(self.environ)),
        )

    def carry_login(self, progress: ProgressObserver) -> CarryLogin:
        """An agent's own login, into the guest and back."""
        return CarryLogin(
            store=self.logins, host=self.host_logins, clock=SystemClock(), progress=progress
        )

    def run_agent(self, terminal: UserTerminal, progress: ProgressObserver) -> RunAgent:
        """The run, for one terminal."""
        from bbox_server.application.run_sandbox import RunSandbox
        from bbox_server.infra.egress.process_relay import ProcessRelay
        from bbox_server.infra.ssh.connector import AsyncsshConnector

        clock = SystemClock()
        # What takes a generation keeps it until the session holds it: one adapter for both.
        snapshots = self.make_snapshots(
            lambda message: progress.advanced(Phase.SNAPSHOT, f"Snapshot: {message}")
        )
        return RunAgent(
            sessions=self.sessions,
            files=SessionFiles(
                observer=self.observe, recorder=record_terminal, overlay=self.overlay
            ),
            snapshots=snapshots,
            configure=self.configure_run,
            prepare=self.prepare_run(progress, snapshots),
            sandbox=RunSandbox(
                relay=ProcessRelay(user=self.user),
                proxy=self.credential_proxy,
                backend=self.backend,
                shells=AsyncsshConnector(),
                clock=clock,
                progress=progress,
                terminal=terminal,
                logins=self.carry_login(progress),
            ),
            terminal=terminal,
            progress=progress,
            clock=clock,
            ids=self.ids,
            trace=self.trace,
            direct=self._open_directly(progress),
            prune=PruneSessions(
                sessions=self.sessions,
                snapshots=snapshots,
                stale=DiskStaleFiles(
                    state=self.directories.state, runtime=self.directories.runtime
                ),
                clock=clock,
                keep_days=None if self._keeps_data else KEEP_DAYS,
            ),
        )

    def _open_directly(self, progress: ProgressObserver) -> OpenDirectly:
        from bbox_server.infra.git.repositories import GitCommand
        from bbox_server.infra.workspace.direct import DiskAcknowledgements, DiskDirectWorkspaces

        places = self.directories
        return OpenDirectly(
            acknowledgements=DiskAcknowledgements(state=places.state),
            workspaces=DiskDirectWorkspaces(
                user=self.user,
                git=GitCommand(),
                upper=UPPER,
                private=(places.config, places.state, places.cache, places.runtime),
            ),
            progress=progress,
        )

    @property
    def ids(self) -> IdSource:
        """Where new sessions get their names."""
        return RandomIds()

    @property
    def trace(self) -> ExportTrace:
        """Sessions' traces."""
        from bbox_server.infra.sessions.logs import DiskSessionLogs
        from bbox_server.infra.tracing.spans import OtlpFiles

        state = self.directories.state
        return ExportTrace(
            events=DiskSessionLogs(state=state).events,
            files=OtlpFiles(state=state, version=version(PACKAGE)),
        )

    def open_review(self) -> OpenReview:
        """Sessions' reviews."""
        return OpenReview(
            sessions=self.sessions,
            snapshots=self.snapshots,
            parts=self.review_parts,
            clock=SystemClock(),
        )

    def review_parts(self, record: SessionRecord, directories: SessionDirectories) -> ReviewParts:
        """The use cases of one session's review."""
        from bbox_server.application.flush_changes import FlushChanges
        from bbox_server.application.plan_flush import PlanFlush
        from bbox_server.application.review_changes import ReviewChanges
        from bbox_server.application.undo_flush import RecoverFlush, UndoFlush
        from bbox_server.infra.diff.git_differ import GitDiffer
        from bbox_server.infra.sessions.review_file import ReviewFile
        from bbox_server.infra.workspace.flusher import DiskFlusher
        from bbox_server.infra.workspace.present import DiskWorkspace

        assert record.generation is not None  # noqa: S101 (OpenReview has checked it)
        # Not in the runtime directory: that goes with the run, which may end meanwhile.
        differ = GitDiffer(scratch=directories.state)
        reviews = ReviewFile(directory=directories.state)
        flusher = DiskFlusher(
            workspace=record.workspace,
            journals=below(directories.state, FLUSHES),
            lock=self._workspace_lock(record.workspace),
            session=record.id,
        )
        commits = self.agent_commits(record, directories)
        changes = ReviewChanges(
            overlay=self.overlay(directories, record.generation),
            differ=differ,
            reviews=reviews,
            commits=commits,
        )
        planning = PlanFlush(
            review=changes, files=DiskWorkspace(workspace=record.workspace), differ=differ
        )
        return ReviewParts(
            changes=changes,
            flush=FlushChanges(planning=planning, flusher=flusher),
            undo=UndoFlush(flusher=flusher, reviews=reviews, commits=commits),
            recover=RecoverFlush(flusher=flusher),
            observer=self.observe(directories, record.id),
            retrace=lambda: self.trace.again(record),
        )

    def agent_commits(self, record: SessionRecord, directories: SessionDirectories) -> AgentCommits:
        """The way of a session's commits into the user's repositories."""
        from bbox_server.infra.git.agent_commits import GitAgentCommits
        from bbox_server.infra.git.repositories import GitCommand
        from bbox_server.infra.workspace.agent_refs import OverlayGit
        from bbox_server.infra.workspace.overlay import OverlayPlace

        assert record.generation is not None  # noqa: S101 (OpenReview has checked it)
        place = OverlayPlace(
            generation=record.generation, upper=below(directories.state, UPPER), owner=self.user
        )
        return GitAgentCommits(
            view=OverlayGit(place=place, git=GitCommand()),
            session=record.id,
            workspace=record.workspace,
            directory=Path(directories.state, AGENT_GIT),
        )

    def overlay(self, directories: SessionDirectories, generation: HostPath) -> Overlay:
        """The agent's changes over a baseline."""
        from bbox_server.domain.excludes import is_secret
        from bbox_server.domain.sensitive import classify
        from bbox_server.infra.excludes.disk import DiskExcludes
        from bbox_server.infra.git.repositories import GitCommand
        from bbox_server.infra.workspace.overlay import DiskOverlay, OverlayPlace

        return DiskOverlay(
            place=OverlayPlace(
                generation=generation, upper=below(directories.state, UPPER), owner=self.user
            ),
            excludes=DiskExcludes(),
            git=GitCommand(),
            classify=lambda path: classify(path, is_secret=is_secret),
        )

    def explain(self) -> ExplainPath:
        """Which rule hides a path."""
        from bbox_server.infra.excludes.disk import DiskExcludes
        from bbox_server.infra.git.repositories import GitCommand
        from bbox_server.infra.workspace.paths import DiskPaths

        return ExplainPath(
            excludes=DiskExcludes(),
            paths=lambda workspace: DiskPaths(workspace=workspace, git=GitCommand()),
            configs=self.configs,
        )

    def diagnose(self) -> Diagnose:
        """What is missing on this machine."""
        from bbox_server.infra.host.inspector import LinuxHost

        return Diagnose(
            host=LinuxHost(state=self.directories.state),
            backend=self.backend,
            images=self.images,
            configs=self.configs,
        )

    def observe(self, directories: SessionDirectories, session: SessionId) -> SessionObserver:
        """Where a session's events go."""
        return EventLog(directory=Path(directories.state), session=session, clock=SystemClock())

    def lsp_services(self, number: str) -> LspServices:
        """What the language server gets."""
        return LspServices(
            version=number,
            gateway=self.gateway,
            sessions=lambda: self.sessions,
            # A workspace's file can't define any.
            agents=lambda: self.configs(None).agents,
            images=lambda: self.images,
            diagnose=self.diagnose,
        )

    def gateway(self) -> SessionGateway:
        """The way to sessions' hosts."""
        from bbox_server.infra.session_api.gateway import SocketGateway

        return SocketGateway(
            state=self.directories.state,
            runtime=self.directories.runtime,
            environ=self.environ,
            new_session=RandomIds().session_id,
        )

    @property
    def _keeps_data(self) -> bool:
        """Compat CLI-27."""
        return self.environ.get("BBOX_KEEP_VM_DATA") == "1"

    def _workspace_lock(self, workspace: HostPath) -> HostPath:
        locks = self.directories.state / "locks"
        locks.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:16]
        return HostPath(str(locks / name))


@dataclass(frozen=True, kw_only=True)
class HostComposition(Composition):
    """The adapters of one session's host."""

    session: SessionId

    def host_services(self) -> HostServices:
        """What the host gets."""
        from bbox_server.infra.session_api.place import HostPlace
        from bbox_server.infra.sessions.logs import DiskSessionLogs
        from bbox_server.infra.sessions.ring import RingReader

        places = self.directories
        directories = SessionDirectories(
            state=HostPath(str(places.state / "sessions" / self.session)),
            runtime=HostPath(str(places.runtime / self.session)),
        )
        ring = Path(directories.state, TERMINAL_RING)
        reader = RingReader(ring)
        place = HostPlace(runtime=places.runtime, session=self.session)

        def read(offset: int, limit: int) -> tuple[int, bytes]:
            replay = reader.read(offset, limit)
            return replay.offset, replay.data

        def leave() -> None:
            place.remove()
            self.sessions.forget_unborn(self.session)

        return HostServices(
            session=self.session,
            version=version(PACKAGE),
            environ=self.environ,
            sessions=self.sessions,
            directories=directories,
            events=lambda: DiskSessionLogs(state=places.state).events(self.session),
            observer=lambda: self.observe(directories, self.session),
            announce_to=self._listeners.append,
            terminal_record=(read, lambda: reader.read(0, 0).end if ring.exists() else 0),
            run=self.run_agent,
            review=self.open_review,
            review_parts=self.review_parts,
            ending=place.locked,
            leave=leave,
        )

    @override
    def observe(self, directories: SessionDirectories, session: SessionId) -> SessionObserver:
        # One writer, one numbering.
        if not self._observers:
            self._observers.append(
                EventLog(
                    directory=Path(directories.state),
                    session=session,
                    clock=SystemClock(),
                    announce=self._announce,
                )
            )
        return self._observers[0]

    @property
    @override
    def ids(self) -> IdSource:
        return GivenIds(session=self.session)

    def _announce(self, event: SessionEvent) -> None:
        for listener in self._listeners:
            listener(event)

    @cached_property
    def _listeners(self) -> list[Callable[[SessionEvent], None]]:
        return []

    @cached_property
    def _observers(self) -> list[SessionObserver]:
        return []


def record_terminal(directories: SessionDirectories) -> TerminalRecorder:
    """Where a session's terminal is kept."""
    from bbox_server.infra.sessions.ring import TerminalRing

    return TerminalRing(Path(directories.state, TERMINAL_RING))


def known_hosts_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the user's SSH keeps host keys (ssh_config(5), UserKnownHostsFile and its global)."""
    home = environ.get("HOME", "")
    own = (Path(home, ".ssh/known_hosts"),) if home else ()
    return (*own, Path("/etc/ssh/ssh_known_hosts"))


def trusted_certificates(environ: Mapping[str, str]) -> bytes:
    """The certificates that this host's clients trust; public, empty where there are none.

    Behind a proxy that inspects TLS the guest's clients need them too.
    """
    for name in (environ.get("SSL_CERT_FILE", ""), *CERTIFICATE_BUNDLES):
        if name and Path(name).is_file():
            return Path(name).read_bytes()
    return b""
