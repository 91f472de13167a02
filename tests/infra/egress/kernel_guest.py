# SPDX-License-Identifier: Apache-2.0
"""A guest made of a real kernel's network.

`unshare --net --mount python kernel_guest.py SOCKET ARGV…`: a TAP device in a namespace of its own
takes the place of virtio-net and QEMU.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

MTU: Final = 65_520
_TUNSETIFF: Final = 0x400454CA
_IFF_TAP_WITHOUT_HEADER: Final = 0x0002 | 0x1000
_SETUP: Final = (
    "link set lo up",
    f"link set eth0 address 52:54:00:12:34:56 mtu {MTU} up",
    "address add 192.168.127.2/24 dev eth0",
    "route add default via 192.168.127.1",
)


def open_tap() -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", b"eth0", _IFF_TAP_WITHOUT_HEADER))
    return tap


def set_up() -> None:
    Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("1")
    for words in _SETUP:
        subprocess.run(["ip", *words.split()], check=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as resolver:
        resolver.write("nameserver 192.168.127.1\n")
    Path(resolver.name).chmod(0o644)
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)


def to_relay(tap: int, link: socket.socket) -> None:
    while frame := os.read(tap, MTU + 14):
        link.sendall(len(frame).to_bytes(4, "big") + frame)


def to_kernel(tap: int, link: socket.socket) -> None:
    stream = link.makefile("rb")
    while head := stream.read(4):
        os.write(tap, stream.read(int.from_bytes(head, "big")))


def main() -> int:
    path, *argv = sys.argv[1:]
    tap = open_tap()
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    for pump in (to_relay, to_kernel):
        threading.Thread(target=pump, args=(tap, link), daemon=True).start()
    set_up()
    return subprocess.run(argv, check=False).returncode


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
