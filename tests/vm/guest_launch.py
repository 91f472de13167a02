# SPDX-License-Identifier: Apache-2.0
"""Boots a guest by a plain QEMU command line, to prove the guest system without any adapter."""

import contextlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from bbox_server.domain.vm import BootFiles, GuestConfig, ShellIdentity
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.guest_system.system import BuiltGuestSystem
from tests.vm.guest_host import as_sandbox, give, run, sandbox_user, start, start_share
from tests.vm.guest_image import make_image
from tests.vm.guest_machine import GuestMachine


def _nothing(_directory: Path) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """What to boot. `prepare` may damage the session's directory before QEMU starts."""

    image: Mapping[str, bytes | str]
    guests: Path
    tree: Mapping[str, bytes] = field(default_factory=dict)
    image_env: Mapping[str, str] = field(default_factory=dict)
    certificates: bytes = b""
    tmp_size_mib: int = 32
    memory_mib: int = 512
    machine: str = "microvm"
    with_shares: bool = True
    probe: bool = False
    time_ns: int | None = None
    prepare: Callable[[Path], object] = _nothing


@contextlib.contextmanager
def guest_machine(spec: MachineSpec) -> Iterator[GuestMachine]:
    """Boot; the test finds the session's files in the machine's directory."""
    directory = Path(tempfile.mkdtemp(prefix="bbox-vm-", dir="/tmp"))
    give(directory)
    identity, host_key, client_key = _make_identity()
    machine = GuestMachine(directory, host_key, client_key)
    try:
        _prepare_shares(directory, spec)
        make_image(directory / "image.sqfs", spec.image)
        _assemble(spec, identity, directory)
        spec.prepare(directory)
        launch(machine, spec)
        yield machine
    finally:
        machine.stop()
        for path in directory.rglob("work"):
            path.chmod(0o700)
        shutil.rmtree(directory)


def launch(machine: GuestMachine, spec: MachineSpec) -> None:
    """Start the shares and QEMU; again after `machine.stop()`, on the same files."""
    directory = machine.directory
    for name in ("ssh", "ctl", "lo.sock", "up.sock"):
        (directory / name).unlink(missing_ok=True)
    if spec.with_shares:
        for name, mode in (("lo", "ro"), ("up", "rw")):
            machine.processes.append(start_share(directory, name, directory / name, mode))
    system = BuiltGuestSystem(root=spec.guests, owner=sandbox_user()).probe_files()
    own = HostPath(str(directory / "initramfs"))
    boot = BootFiles(kernel=system.kernel, initramfs=system.initramfs if spec.probe else own)
    machine.started = time.monotonic()
    argv = [*as_sandbox(), *_qemu_argv(spec, boot, directory)]
    machine.processes.append(start(*argv, output=subprocess.PIPE))


def _make_identity() -> tuple[ShellIdentity, asyncssh.SSHKey, asyncssh.SSHKey]:
    host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    identity = ShellIdentity(
        host_private_key=host.export_private_key(),
        host_public_key=host.export_public_key(),
        client_private_key=client.export_private_key(),
        client_public_key=client.export_public_key(),
    )
    return identity, host, client


def _assemble(spec: MachineSpec, identity: ShellIdentity, directory: Path) -> None:
    guest = GuestConfig(
        hostname="bbox-test",
        tmp_size_mib=spec.tmp_size_mib,
        identity=identity,
        time_ns=time.time_ns() if spec.time_ns is None else spec.time_ns,
        image_env=spec.image_env,
        trusted_certificates=spec.certificates,
    )
    system = BuiltGuestSystem(root=spec.guests, owner=sandbox_user())
    system.assemble(guest, HostPath(str(directory)))


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
    run(
        *("/sbin/mkfs.ext4", "-F", "-q", "-m", "0", "-O", "^has_journal"),
        *("-E", "root_owner=0:0", str(scratch)),
    )
    give(scratch)


def _tsc_khz() -> int:
    found = re.search(r"cpu MHz\s*:\s*([0-9.]+)", Path("/proc/cpuinfo").read_text())
    assert found is not None
    return round(float(found[1]) * 1000)


def _qemu_argv(spec: MachineSpec, boot: BootFiles, directory: Path) -> list[str]:
    bus = "device" if spec.machine == "microvm" else "pci"
    machine = {
        "microvm": "microvm,rtc=on,graphics=off",
        "q35": "q35,graphics=off,usb=off,sata=off,smbus=off",
    }[spec.machine]
    append = (
        f"console=ttyS0 edd=off tsc_early_khz={_tsc_khz()} tsc=reliable"
        " quiet loglevel=3 panic=-1 ipv6.disable=1 cryptomgr.notests"
    )
    argv = [
        *("qemu-system-x86_64", "-M", machine, "-accel", "tcg,tb-size=64", "-cpu", "max"),
        *("-smp", "1", "-m", str(spec.memory_mib), "-nodefaults", "-no-user-config"),
        *("-display", "none", "-no-reboot", "-kernel", boot.kernel, "-initrd", boot.initramfs),
        *("-append", append, "-chardev", "stdio,id=con,signal=off", "-serial", "chardev:con"),
        *("-object", f"memory-backend-memfd,id=mem,size={spec.memory_mib}M,share=on"),
        *("-machine", "memory-backend=mem", "-global", "virtio-mmio.force-legacy=false"),
        *(
            "-drive",
            f"if=none,id=r,file={directory}/image.sqfs,format=raw,readonly=on",
        ),
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
