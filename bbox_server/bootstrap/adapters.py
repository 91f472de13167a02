# SPDX-License-Identifier: Apache-2.0
"""The adapters of one process, each made once and only when it is needed."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.agent_commits import AgentCommits
from bbox_server.domain.credential import CredentialProxy
from bbox_server.domain.image import ImageStore, LayerCache
from bbox_server.domain.login import HostLogins, LoginStore
from bbox_server.domain.session import (
    SessionDirectories,
    SessionRecord,
)
from bbox_server.domain.snapshot import Overlay, Snapshots
from bbox_server.domain.vm import VmBackend
from bbox_server.domain.workspace import HostPath, below
from bbox_server.infra.host.directories import (
    Directories,
    make_directories,
    resolve_directories,
)
from bbox_server.infra.process.sandbox_user import SandboxUser, resolve_sandbox_user
from bbox_server.infra.sessions.store import DiskSessionStore

UPPER: Final = "upper"
FLUSHES: Final = "flush"
AGENT_GIT: Final = "git"
IMAGES: Final = "images"
LAYERS: Final = "layers"
REFRESH_LOG: Final = "refresh.log"
# Where distributions keep what their own clients trust, besides SSL_CERT_FILE.
CERTIFICATE_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)


@dataclass(frozen=True, kw_only=True)
class Adapters:
    """What is outside: this machine, its user, their files.

    Imports are inside the functions, so that `bbox --help` does not pay for what it doesn't use.
    """

    environ: Mapping[str, str] = field(repr=False)

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
            keep_runtime=self.keeps_data,
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

        return HomeLogins(home=self._home)

    @property
    def _home(self) -> Path:
        return Path(self.environ.get("HOME") or "/")

    @cached_property
    def agents(self) -> AgentRegistry:
        """The agents there are."""
        from bbox_server.infra.agents.registry import BuiltinAgents

        return BuiltinAgents()

    @cached_property
    def images(self) -> ImageStore:
        """Root filesystems."""
        return self.make_images(lambda _: None)

    def make_images(self, advanced: Callable[[str], None]) -> ImageStore:
        """The same, telling how far a download or a conversion is."""
        from bbox_server.infra.images.layer_files import LayerFiles
        from bbox_server.infra.images.refresh import launch_refresh
        from bbox_server.infra.images.registry.endpoints import RegistriesConf
        from bbox_server.infra.images.registry.pull import Registries
        from bbox_server.infra.images.squashfs import SquashfsWriter
        from bbox_server.infra.images.store import SquashfsImageStore

        root = self.directories.cache / IMAGES
        return SquashfsImageStore(
            root=root,
            writer=SquashfsWriter(user=self.user),
            registries=Registries(
                layers=LayerFiles(root=root / LAYERS),
                environ=self.environ,
                conf=RegistriesConf(environ=self.environ),
            ),
            refresh=lambda reference: launch_refresh(
                reference, environ=self.environ, log=self.directories.state / REFRESH_LOG
            ),
            progress=advanced,
        )

    @property
    def layers(self) -> LayerCache:
        """Layers that were downloaded."""
        from bbox_server.infra.images.layer_files import LayerFiles

        return LayerFiles(root=self.directories.cache / IMAGES / LAYERS)

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
        from bbox_server.infra.credential.held_login_files import HeldLoginFiles
        from bbox_server.infra.credential.proxy import ProcessCredentialProxy

        files = HeldLoginFiles(config=self.directories.config, home=self._home)
        return ProcessCredentialProxy(user=self.user, environment=self.environ, logins=files)

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

    @property
    def keeps_data(self) -> bool:
        """Compat CLI-27."""
        return self.environ.get("BBOX_KEEP_VM_DATA") == "1"

    def workspace_lock(self, workspace: HostPath) -> HostPath:
        """Held by who plans, flushes or takes back in a workspace."""
        locks = self.directories.state / "locks"
        locks.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:16]
        return HostPath(str(locks / name))


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
