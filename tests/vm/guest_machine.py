# SPDX-License-Identifier: Apache-2.0
"""A running guest as a test sees it: console, control port, shell port."""

import os
import re
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from tests.vm.guest_host import run

BOOT_DEADLINE_S = 25.0
_DEFAULT_CACHE = "/var/cache/bbox" if os.geteuid() == 0 else "~/.cache/bbox"
CACHE = Path(os.environ.get("BBOX_TEST_CACHE", _DEFAULT_CACHE)).expanduser()


def built_guests() -> Path:
    """The guests of the cache, with the one of this tree built and newest."""
    guests = CACHE / "guest"
    run(
        *(sys.executable, "-m", "guest.build", "build"),
        *("--packages", str(CACHE / "packages"), "--output", str(guests)),
    )
    return guests


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
    data: socket.socket | None = None

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
        if self.data is not None:
            self.data.close()  # the port serves one client; the next one would wait for ever
        data, nonce = self._connect("ssh"), os.urandom(6).hex()
        self.data = data
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
        """End whatever runs; the files stay."""
        for client in (self.control, self.data):
            if client is not None:
                client.close()
        for process in reversed(self.processes):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.processes, self.console, self.control, self.data = [], b"", None, None

    def _connect(self, name: str) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        end = time.monotonic() + 10
        while True:
            try:
                client.connect(str(self.directory / name))
            except OSError:
                assert time.monotonic() < end
                self.pump(0.02)
            else:
                return client
