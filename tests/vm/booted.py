# SPDX-License-Identifier: Apache-2.0
"""A sandbox booted by the real backend, for tests of whatever runs in one."""

import atexit
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from bbox_server.domain.session import SessionId
from bbox_server.domain.terminal import GuestCommand, GuestShell, GuestUser
from bbox_server.domain.vm import (
    Accelerator,
    GuestConfig,
    RunningVm,
    ShellIdentity,
    VmResources,
    VmSpec,
    WorkspaceShare,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.guest_system.system import BuiltGuestSystem
from bbox_server.infra.qemu.backend import QemuBackend
from bbox_server.infra.qemu.settings import QemuSettings
from bbox_server.infra.ssh.connector import AsyncsshConnector
from tests.vm.guest_host import give, sandbox_user
from tests.vm.guest_image import make_image
from tests.vm.guest_machine import built_guests

guests = cache(built_guests)

BUSYBOX = "/run/bbox/busybox"


@cache
def empty_image() -> Path:
    """An image with nothing in it: the guest system brings its own shell."""
    directory = Path(tempfile.mkdtemp(prefix="bbox-image-"))
    directory.chmod(0o711)
    atexit.register(shutil.rmtree, directory)
    return make_image(directory / "root.sqfs", {"etc/": b""})


@dataclass(frozen=True, kw_only=True)
class House:
    """The directories of one session, and the backend on the real guest system.

    Attributes:
        root: Holds `lower`, `upper/{u,w}`, `run` and `state`; the sandbox user can pass.
    """

    root: Path
    settings: QemuSettings
    spec: VmSpec
    identity: ShellIdentity
    connector: AsyncsshConnector = field(default_factory=AsyncsshConnector)

    def backend(self, **changes: object) -> QemuBackend:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # names are checked at run time
        system = BuiltGuestSystem(root=guests(), owner=sandbox_user())
        return QemuBackend(system, settings)


@dataclass(frozen=True, kw_only=True)
class Booted:
    """A running sandbox."""

    house: House
    vm: RunningVm

    @asynccontextmanager
    async def shell(self, user: GuestUser = GuestUser.AGENT) -> AsyncIterator[GuestShell]:
        """Log in; one shell at a time."""
        channel = await self.vm.open_shell_channel()
        async with self.house.connector.connect(channel, self.house.identity, user) as shell:
            yield shell


@contextmanager
def make_house(tree: Mapping[str, bytes] | None = None) -> Iterator[House]:
    """A session's directories; `tree` is what the agent finds in its workspace."""
    root = Path(tempfile.mkdtemp(prefix="bbox-"))
    root.chmod(0o711)
    for name in ("lower", "upper", "upper/u", "upper/w", "run", "state", "cache"):
        (root / name).mkdir()
        if name.startswith(("lower", "upper")):
            give(root / name)
    for name, content in (tree or {}).items():
        path = root / "lower" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        give(path)
        give(path.parent)
    try:
        with draining_relay(root / "run/net"):
            yield open_house(root, SessionId(secrets.token_hex(4)))
    finally:
        for path in root.rglob("work"):
            path.chmod(0o700)
        shutil.rmtree(root)


def open_house(root: Path, session: SessionId) -> House:
    """A house in directories that exist, whose relay listens."""
    identity = AsyncsshConnector().new_identity()
    settings = QemuSettings(
        user=sandbox_user(), cache_directory=root / "cache", accelerator=Accelerator.TCG
    )
    spec = make_spec(root, identity, session)
    return House(root=root, settings=settings, spec=spec, identity=identity)


def make_spec(root: Path, identity: ShellIdentity, session: SessionId) -> VmSpec:
    def at(name: str) -> HostPath:
        return HostPath(str(root / name))

    return VmSpec(
        session=session,
        runtime_directory=at("run"),
        root_filesystem=HostPath(str(empty_image())),
        share=WorkspaceShare(lower=at("lower"), upper=at("upper")),
        network_socket=at("run/net"),
        console_log=at("state/console.log"),
        resources=VmResources(cpus=1, memory_mib=512, tmp_size_mib=0),
        guest=GuestConfig(
            hostname="guest", tmp_size_mib=0, identity=identity, time_ns=time.time_ns()
        ),
    )


@asynccontextmanager
async def booted(house: House, **settings: object) -> AsyncIterator[Booted]:
    """Boot a house's sandbox."""
    async with house.backend(**settings).start(house.spec) as vm:
        yield Booted(house=house, vm=vm)


async def say(shell: GuestShell, script: str) -> str:
    """What a line of the guest's own shell prints; it must succeed."""
    command = GuestCommand(argv=(BUSYBOX, "sh", "-c", script))
    async with shell.run(command) as process:
        output = b""
        while chunk := await process.read():
            output += chunk
        errors = await process.read_error()
        status = await process.wait()
    if status.code != 0:
        raise AssertionError(f"{script}: {status} {errors!r}")
    return output.decode()


@contextmanager
def draining_relay(path: Path) -> Iterator[None]:
    """A network where every frame is lost."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_drain, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _drain(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(60)
            try:
                while connection.recv(65536):
                    pass
            except OSError:
                return


def processes_of(house: House) -> dict[int, str]:
    """Pids and command lines of what runs for a house, ours excepted."""
    markers = (str(house.root), f"bbox-{house.spec.session}")
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or directory.name == str(os.getpid()):
            continue
        try:
            words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if any(marker in words for marker in markers):
            found[int(directory.name)] = words
    return found
