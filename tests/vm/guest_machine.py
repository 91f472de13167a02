# SPDX-License-Identifier: Apache-2.0
"""A guest booted by a plain QEMU command line, to prove the guest system without any adapter."""

import contextlib
import io
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import asyncssh

from bbox_server.domain.vm import BootFiles, GuestConfig, ShellIdentity
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.guest_system.system import BuiltGuestSystem
from bbox_server.infra.process.sandbox_user import SandboxUser, resolve_sandbox_user

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(
    os.environ.get("BBOX_TEST_CACHE", "/var/cache/bbox" if os.geteuid() == 0 else "~/.cache/bbox")
).expanduser()
BOOT_DEADLINE_S = 25.0
_VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
# Bound and remounted read-only where asked, then virtiofsd with the namespace's capabilities.
_SHARE_SCRIPT = """
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o "remount,bind,$2,nosuid,nodev" "$1" &&
exec "$0" --fd=3 -o "source=$1,xattr,cache=always" -f
"""


def _run(*argv: str, stdin: bytes = b"") -> None:
    subprocess.run(  # noqa: S603  the argv is the test's own
        argv, cwd=REPOSITORY, input=stdin, check=True, stdout=subprocess.DEVNULL
    )


def _start(*argv: str, output: IO[bytes] | int, fd: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  the argv is the test's own
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=() if fd is None else (fd,),
    )


def sandbox_user() -> SandboxUser:
    return resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})


def as_sandbox() -> list[str]:
    user = sandbox_user()
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]


def give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, sandbox_user().uid, sandbox_user().gid, follow_symlinks=False)


def built_guests() -> Path:
    """The guests of the cache, with the one of this tree built and newest."""
    guests = CACHE / "guest"
    _run(
        *(sys.executable, "-m", "guest.build", "build"),
        *("--packages", str(CACHE / "packages"), "--output", str(guests)),
    )
    return guests


def make_image(target: Path, files: Mapping[str, bytes | str]) -> Path:
    """A squashfs of root's files; a text is a symlink's target, bytes an executable, or a directory
    where the name ends with a slash."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.mode = 0o755
            if name.endswith("/"):
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    _run("tar2sqfs", "-q", "-f", "-c", "gzip", str(target), stdin=archive.getvalue())
    target.chmod(0o644)
    return target


def tsc_khz() -> int:
    found = re.search(r"cpu MHz\s*:\s*([0-9.]+)", Path("/proc/cpuinfo").read_text())
    assert found is not None
    return round(float(found[1]) * 1000)


def make_identity() -> tuple[ShellIdentity, asyncssh.SSHKey, asyncssh.SSHKey]:
    host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    identity = ShellIdentity(
        host_private_key=host.export_private_key(),
        host_public_key=host.export_public_key(),
        client_private_key=client.export_private_key(),
        client_public_key=client.export_public_key(),
    )
    return identity, host, client


@dataclass
class GuestMachine:
    """A running guest; `directory` has the upper share, the sockets and the scratch disk."""

    directory: Path
    host_key: asyncssh.SSHKey
    client_key: asyncssh.SSHKey
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: float = 0.0
    console: bytes = b""
    control: socket.socket | None = None

    @property
    def qemu(self) -> subprocess.Popen[bytes]:
        return self.processes[-1]

    def pump(self, seconds: float) -> bool:
        """Read the console for at most `seconds`; false at its end."""
        assert self.qemu.stdout is not None
        if select.select([self.qemu.stdout], [], [], seconds)[0]:
            new = os.read(self.qemu.stdout.fileno(), 65536)
            self.console += new
            return bool(new)
        return True

    def wait_for_console(self, pattern: str, deadline_s: float = BOOT_DEADLINE_S) -> re.Match[str]:
        end = time.monotonic() + deadline_s
        while True:
            text = self.console.decode(errors="replace")
            if found := re.search(pattern, text, re.MULTILINE):
                return found
            if time.monotonic() > end or not self.pump(0.2):
                raise AssertionError(f"no {pattern!r} on the console:\n{text[-3000:]}")

    def wait_for_end(self, deadline_s: float = 20) -> None:
        end = time.monotonic() + deadline_s
        while self.pump(0.2):
            assert time.monotonic() < end, self.console[-2000:].decode(errors="replace")
        self.qemu.wait(5)

    def command(self, verb: str, argument: str = "", deadline_s: float = BOOT_DEADLINE_S) -> str:
        """Send one command on the control port; the answer's line, unsolicited ones skipped."""
        nonce = os.urandom(6).hex()
        control = self._control()
        control.sendall(f"\n{verb} {nonce} {argument}\n".encode())
        return self.read_control(rf"(DONE|FAILED) {nonce}.*", deadline_s)

    def read_control(self, pattern: str, deadline_s: float = BOOT_DEADLINE_S) -> str:
        control, text = self._control(), ""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            self.pump(0)
            if select.select([control], [], [], 0.1)[0]:
                text += control.recv(4096).decode(errors="replace")
                if found := re.search(rf"^{pattern}$\n", text, re.MULTILINE):
                    return found[0].rstrip()
        raise AssertionError(
            f"no {pattern!r} on the control port: {text!r} {self.console[-2000:]!r}"
        )

    def _control(self) -> socket.socket:
        if self.control is None:
            self.control = self._connect("ctl")
        return self.control

    def open_shell_port(self) -> socket.socket:
        """RESET, READY, GO: a socket on which sshd waits for a client."""
        data, nonce = self._connect("ssh"), os.urandom(6).hex()
        control = self._control()
        control.sendall(f"\nRESET {nonce}\n".encode())
        wanted, seen = f"BBOX-READY {nonce}\n".encode(), b""
        end = time.monotonic() + BOOT_DEADLINE_S
        while not seen.endswith(wanted):
            self.pump(0)
            assert time.monotonic() < end, self.console[-3000:].decode(errors="replace")
            if select.select([data], [], [], 0.1)[0]:
                new = data.recv(65536)
                assert new, "the shell port's socket closed"
                seen = (seen + new)[-4096:]
        self.read_control(f"DONE {nonce}")
        data.sendall(f"\nBBOX-GO {nonce}\n".encode())
        data.settimeout(0)
        return data

    async def connect(self, username: str = "sandbox") -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            sock=self.open_shell_port(),
            host="bbox",
            username=username,
            client_keys=[self.client_key],
            known_hosts=([self.host_key.convert_to_public()], [], []),
            config=None,
            agent_path=None,
            encryption_algs=["aes128-gcm@openssh.com"],
        )

    def stop(self) -> None:
        if self.control is not None:
            self.control.close()
        for process in reversed(self.processes):
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _connect(self, name: str) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + 10
        while True:
            try:
                client.connect(str(self.directory / name))
            except OSError:
                assert time.monotonic() < end
                self.pump(0.02)
            else:
                return client


def start_share(directory: Path, name: str, source: Path, mode: str) -> subprocess.Popen[bytes]:
    """A virtiofsd that maps the guest's uid 1000 to ours, on a socket that exists already."""
    path = directory / f"{name}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        give(path)
        listener.listen(1)
        argv = [
            *as_sandbox(),
            *("unshare", "--user", "--mount", "--map-user=1000", "--map-group=1000", "--keep-caps"),
            *("sh", "-c", _SHARE_SCRIPT, _VIRTIOFSD, str(source), mode),
        ]
        with (directory / f"{name}.log").open("wb") as log:
            script = f'exec 3<&{listener.fileno()} && exec "$@"'
            return _start("sh", "-c", script, "sh", *argv, output=log, fd=listener.fileno())


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    image: Path
    guests: Path
    tree: Mapping[str, bytes] = field(default_factory=dict)
    image_env: Mapping[str, str] = field(default_factory=dict)
    certificates: bytes = b""
    tmp_size_mib: int = 32
    memory_mib: int = 512
    machine: str = "microvm"
    with_shares: bool = True
    time_ns: int | None = None


@contextlib.contextmanager
def guest_machine(spec: MachineSpec) -> Iterator[GuestMachine]:
    directory = Path(tempfile.mkdtemp(prefix="bbox-vm-", dir="/tmp"))
    give(directory)
    identity, host_key, client_key = make_identity()
    machine = GuestMachine(directory, host_key, client_key)
    try:
        _prepare_shares(directory, spec)
        boot = _assemble(spec, identity, directory)
        if spec.with_shares:
            for name, mode in (("lo", "ro"), ("up", "rw")):
                machine.processes.append(start_share(directory, name, directory / name, mode))
        machine.started = time.monotonic()
        argv = [*as_sandbox(), *qemu_argv(spec, boot, directory)]
        machine.processes.append(_start(*argv, output=subprocess.PIPE))
        yield machine
    finally:
        machine.stop()
        for path in directory.rglob("work"):
            path.chmod(0o700)
        shutil.rmtree(directory)


def _assemble(spec: MachineSpec, identity: ShellIdentity, directory: Path) -> BootFiles:
    guest = GuestConfig(
        hostname="bbox-test",
        tmp_size_mib=spec.tmp_size_mib,
        identity=identity,
        time_ns=time.time_ns() if spec.time_ns is None else spec.time_ns,
        image_env=spec.image_env,
        trusted_certificates=spec.certificates,
    )
    system = BuiltGuestSystem(root=spec.guests, owner=sandbox_user())
    return system.assemble(guest, HostPath(str(directory)))


def _prepare_shares(directory: Path, spec: MachineSpec) -> None:
    for name in ("lo", "up", "up/u", "up/w"):
        (directory / name).mkdir()
        give(directory / name)
    for name, content in spec.tree.items():
        path = directory / "lo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        give(path)
        give(path.parent)
    scratch = directory / "scratch.img"
    with scratch.open("wb") as file:
        file.truncate(1 << 30)
    _run(
        *("/sbin/mkfs.ext4", "-F", "-q", "-m", "0", "-O", "^has_journal"),
        *("-E", "root_owner=0:0", str(scratch)),
    )
    give(scratch)


def qemu_argv(spec: MachineSpec, boot: BootFiles, directory: Path) -> list[str]:
    bus = "device" if spec.machine == "microvm" else "pci"
    machine = {
        "microvm": "microvm,rtc=on,graphics=off",
        "q35": "q35,graphics=off,usb=off,sata=off,smbus=off",
    }[spec.machine]
    append = (
        f"console=ttyS0 edd=off tsc_early_khz={tsc_khz()} tsc=reliable"
        " quiet loglevel=3 panic=-1 ipv6.disable=1 cryptomgr.notests"
    )
    argv = [
        *("qemu-system-x86_64", "-M", machine, "-accel", "tcg,tb-size=64", "-cpu", "max"),
        *("-smp", "1", "-m", str(spec.memory_mib), "-nodefaults", "-no-user-config"),
        *("-display", "none", "-no-reboot", "-kernel", boot.kernel, "-initrd", boot.initramfs),
        *("-append", append, "-chardev", "stdio,id=con,signal=off", "-serial", "chardev:con"),
        *("-object", f"memory-backend-memfd,id=mem,size={spec.memory_mib}M,share=on"),
        *("-machine", "memory-backend=mem", "-global", "virtio-mmio.force-legacy=false"),
        *("-drive", f"if=none,id=r,file={spec.image},format=raw,readonly=on,file.locking=off"),
        *("-device", f"virtio-blk-{bus},drive=r"),
        *("-drive", f"if=none,id=s,file={directory}/scratch.img,format=raw,cache=unsafe"),
        *("-device", f"virtio-blk-{bus},drive=s", "-device", f"virtio-serial-{bus},id=vs"),
        *("-chardev", f"socket,id=p0,path={directory}/ssh,server=on,wait=off"),
        *("-device", "virtserialport,bus=vs.0,chardev=p0,name=bbox.ssh,nr=1"),
        *("-chardev", f"socket,id=p1,path={directory}/ctl,server=on,wait=off"),
        *("-device", "virtserialport,bus=vs.0,chardev=p1,name=bbox.ctl,nr=2"),
        *(
            "-device",
            f"virtio-rng-{bus}",
            "-device",
            f"virtio-balloon-{bus},free-page-reporting=on",
        ),
        *("-netdev", "user,id=n,restrict=on,net=192.168.127.0/24,host=192.168.127.1,ipv6=off"),
        *("-device", f"virtio-net-{bus},netdev=n" + (",romfile=" if bus == "pci" else "")),
    ]
    for tag in ("lo", "up") if spec.with_shares else ():
        argv += ["-chardev", f"socket,id=c{tag},path={directory}/{tag}.sock"]
        argv += ["-device", f"vhost-user-fs-{bus},chardev=c{tag},tag={tag}"]
    return argv
