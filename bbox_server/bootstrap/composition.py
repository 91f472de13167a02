# SPDX-License-Identifier: Apache-2.0
"""The use cases of one process, on its adapters."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bbox_server.application.allow_packages import AllowPackages
from bbox_server.application.carry_login import CarryLogin
from bbox_server.application.carry_settings import CarrySettings
from bbox_server.application.configure_run import ConfigureRun
from bbox_server.application.diagnose import Diagnose
from bbox_server.application.explain_path import ExplainPath
from bbox_server.application.export_trace import ExportTrace
from bbox_server.application.find_credentials import FindCredentials
from bbox_server.application.find_session import FindSession
from bbox_server.application.gather_ingredients import GatherIngredients
from bbox_server.application.open_directly import OpenDirectly
from bbox_server.application.open_review import OpenReview, ReviewParts
from bbox_server.application.plan_run import PlanRun
from bbox_server.application.prepare_run import PrepareRun
from bbox_server.application.prune_sessions import KEEP_DAYS, PruneSessions
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.application.run_agent import RunAgent, SessionFiles
from bbox_server.application.steer_network import SteerNetwork
from bbox_server.application.tend_cache import TendCache
from bbox_server.bootstrap.adapters import (
    FLUSHES,
    UPPER,
    Adapters,
    known_hosts_files,
    trusted_certificates,
)
from bbox_server.domain.clock import IdSource
from bbox_server.domain.config.entries import AgentEntries
from bbox_server.domain.diff_page import DiffPages
from bbox_server.domain.egress.kept import KeptRules
from bbox_server.domain.flush import WorkspaceFiles
from bbox_server.domain.gateway import SessionGateway
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import (
    SessionDirectories,
    SessionId,
    SessionObserver,
    SessionRecord,
)
from bbox_server.domain.session_logs import SessionLogs
from bbox_server.domain.snapshot import Snapshots
from bbox_server.domain.terminal import TerminalRecorder, UserTerminal
from bbox_server.domain.workspace import HostPath, below
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.infra.clock.system import RandomIds, SystemClock
from bbox_server.infra.sessions.event_log import EventLog
from bbox_server.infra.sessions.stale import DiskStaleFiles

PACKAGE: Final = "bbox-server"
TERMINAL_RING: Final = "terminal.ring"


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Makes use cases; what a process doesn't use is never made."""

    environ: Mapping[str, str] = field(repr=False)

    @cached_property
    def adapters(self) -> Adapters:
        """What is outside."""
        return Adapters(environ=self.environ)

    def services(self) -> Services:
        """What the command line gets."""
        from bbox_server.infra.config.template import TemplateWriter
        from bbox_server.infra.host.desk import UserDesk

        return Services(
            environ=self.environ,
            directory=HostPath(os.path.realpath(".")),
            sessions=self.adapters.sessions,
            find=FindSession(sessions=self.adapters.sessions),
            agents=lambda: self.adapters.agents,
            logins=lambda: self.adapters.logins,
            gateway=self.gateway,
            diagnose=self.diagnose,
            explain=self.explain,
            plan=lambda progress: PlanRun(
                configure=self.configure_run,
                prepare=self.prepare_run(progress, self.adapters.snapshots),
                packages=self.packages,
                progress=progress,
            ),
            cache=lambda: self.tend_cache,
            logs=self.session_logs(),
            trace=lambda: self.trace,
            desk=UserDesk(environ=self.environ),
            kept=self._kept_rules,
            configs=lambda: self.configs,
            config_writer=TemplateWriter,
            entries=self._agent_entries,
        )

    @cached_property
    def network(self) -> SteerNetwork:
        """The network of the one session that a process of this composition runs."""
        return SteerNetwork(self._kept_rules(None))

    def _kept_rules(self, file: HostPath | None) -> KeptRules:
        from bbox_server.infra.config.kept_rules import ConfigKeptRules

        return ConfigKeptRules(path=self.configs.files.user_path(file))

    def _agent_entries(self, file: HostPath | None) -> AgentEntries:
        from bbox_server.infra.config.agent_entries import ConfigAgentEntries

        return ConfigAgentEntries(path=self.configs.files.user_path(file))

    @property
    def packages(self) -> AllowPackages:
        """Where package managers fetch from."""
        from bbox_server.infra.egress.package_hosts import ClientPackageHosts

        return AllowPackages(hosts=ClientPackageHosts(environment=self.environ))

    @cached_property
    def configs(self) -> ResolveConfig:
        """What is configured, for any workspace."""
        from bbox_server.infra.config.files import DiskConfigFiles
        from bbox_server.infra.config.trust import DiskTrust

        return ResolveConfig(
            files=DiskConfigFiles(directory=self.adapters.directories.config),
            trust=DiskTrust(root=self.adapters.directories.state / "trust"),
            built_in=self.adapters.agents,
        )

    @property
    def tend_cache(self) -> TendCache:
        """Images and layers on this machine."""
        return TendCache(
            images=self.adapters.images, layers=self.adapters.layers, clock=SystemClock()
        )

    @property
    def configure_run(self) -> ConfigureRun:
        """What puts the config under a request."""
        return ConfigureRun(resolve=self.configs, host_cpus=os.cpu_count() or 1)

    def prepare_run(self, progress: ProgressObserver, snapshots: Snapshots) -> PrepareRun:
        """What decides on a run before it starts."""
        from bbox_server.infra.git.identity import UserGitIdentity
        from bbox_server.infra.settings.disk import DiskSettings
        from bbox_server.infra.ssh.known_hosts import UserKnownHosts

        return PrepareRun(
            gather=GatherIngredients(
                images=self.adapters.make_images(
                    lambda message: progress.advanced(Phase.IMAGE, message)
                ),
                snapshots=snapshots,
                identities=UserGitIdentity(environ=self.environ),
                backend=self.adapters.backend,
                progress=progress,
            ),
            settings=CarrySettings(source=DiskSettings(), progress=progress),
            credentials=FindCredentials(store=self.adapters.logins, host=self.adapters.host_logins),
            proxy=self.adapters.credential_proxy,
            progress=progress,
            trusted_certificates=trusted_certificates(self.environ),
            logins=self.carry_login(progress),
            known_hosts=UserKnownHosts(files=known_hosts_files(self.environ)),
        )

    def carry_login(self, progress: ProgressObserver) -> CarryLogin:
        """An agent's own login, into the guest and back."""
        return CarryLogin(
            store=self.adapters.logins,
            host=self.adapters.host_logins,
            clock=SystemClock(),
            progress=progress,
        )

    def run_agent(self, terminal: UserTerminal, progress: ProgressObserver) -> RunAgent:
        """The run, for one terminal."""
        from bbox_server.application.run_sandbox import RunSandbox
        from bbox_server.infra.egress.process_relay import ProcessRelay
        from bbox_server.infra.ssh.connector import AsyncsshConnector

        clock = SystemClock()
        # What takes a generation keeps it until the session holds it: one adapter for both.
        snapshots = self.adapters.make_snapshots(
            lambda message: progress.advanced(Phase.SNAPSHOT, f"Snapshot: {message}")
        )
        return RunAgent(
            sessions=self.adapters.sessions,
            files=SessionFiles(
                observer=self.observe, recorder=record_terminal, overlay=self.adapters.overlay
            ),
            snapshots=snapshots,
            configure=self.configure_run,
            prepare=self.prepare_run(progress, snapshots),
            sandbox=RunSandbox(
                relay=ProcessRelay(user=self.adapters.user),
                proxy=self.adapters.credential_proxy,
                backend=self.adapters.backend,
                shells=AsyncsshConnector(),
                clock=clock,
                progress=progress,
                terminal=terminal,
                logins=self.carry_login(progress),
                network=self.network,
                packages=self.packages,
            ),
            terminal=terminal,
            progress=progress,
            clock=clock,
            ids=self.ids,
            trace=self.trace,
            direct=self._open_directly(progress),
            prune=PruneSessions(
                sessions=self.adapters.sessions,
                snapshots=snapshots,
                stale=DiskStaleFiles(
                    state=self.adapters.directories.state, runtime=self.adapters.directories.runtime
                ),
                clock=clock,
                cache=self.tend_cache,
                keep_days=None if self.adapters.keeps_data else KEEP_DAYS,
            ),
        )

    def _open_directly(self, progress: ProgressObserver) -> OpenDirectly:
        from bbox_server.infra.git.repositories import GitCommand
        from bbox_server.infra.workspace.direct import DiskAcknowledgements, DiskDirectWorkspaces

        places = self.adapters.directories
        return OpenDirectly(
            acknowledgements=DiskAcknowledgements(state=places.state),
            workspaces=DiskDirectWorkspaces(
                user=self.adapters.user,
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
        from bbox_server.infra.tracing.spans import OtlpFiles

        state = self.adapters.directories.state
        return ExportTrace(
            events=self.session_logs().events,
            files=OtlpFiles(state=state, version=version(PACKAGE)),
        )

    def open_review(self) -> OpenReview:
        """Sessions' reviews."""
        return OpenReview(
            sessions=self.adapters.sessions,
            snapshots=self.adapters.snapshots,
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
            lock=self.adapters.workspace_lock(record.workspace),
            session=record.id,
        )
        commits = self.adapters.agent_commits(record, directories)
        changes = ReviewChanges(
            overlay=self.adapters.overlay(directories, record.generation),
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
            host=LinuxHost(state=self.adapters.directories.state),
            backend=self.adapters.backend,
            images=self.adapters.images,
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
            sessions=lambda: self.adapters.sessions,
            # A workspace's file can't define any.
            agents=lambda: self.configs(None).agents,
            configs=lambda: self.configs,
            images=lambda: self.adapters.images,
            logs=self.session_logs,
            diagnose=self.diagnose,
            diffs=self.diff_pages,
            files=self.workspace_files,
        )

    def session_logs(self) -> SessionLogs:
        """What sessions left to read."""
        from bbox_server.infra.sessions.logs import DiskSessionLogs

        return DiskSessionLogs(state=self.adapters.directories.state)

    def diff_pages(self) -> DiffPages:
        """Where diffs are for editors that show files."""
        from bbox_server.infra.sessions.diff_pages import DiskDiffPages

        return DiskDiffPages(self.adapters.directories.state)

    def workspace_files(self, workspace: HostPath) -> WorkspaceFiles:
        """The user's files as they are now."""
        from bbox_server.infra.workspace.present import DiskWorkspace

        return DiskWorkspace(workspace=workspace)

    def gateway(self) -> SessionGateway:
        """The way to sessions' hosts."""
        from bbox_server.bootstrap.gateway import session_gateway

        return session_gateway(self.environ)


def record_terminal(directories: SessionDirectories) -> TerminalRecorder:
    """Where a session's terminal is kept."""
    from bbox_server.infra.sessions.ring import TerminalRing

    return TerminalRing(Path(directories.state, TERMINAL_RING))
