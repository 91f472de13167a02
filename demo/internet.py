# SPDX-License-Identifier: Apache-2.0
"""An internet of the demo's own, in namespaces: one host with a public address, and no other.

So that the demo needs no network, and nobody else's server. Root makes the namespaces as it is;
another user needs a user namespace (user_namespaces(7)), which some distributions forbid.
"""

import ctypes
import http.server
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from typing_extensions import override

HOST: Final = "notes.tally.example"
NOTES: Final = "tally 2.0: amounts are exact.\n"
# Neither private nor reserved, for the relay dials no such address. No packet leaves.
ADDRESS: Final = "20.0.0.2"
INSIDE: Final = "--inside"
_PR_CAP_AMBIENT: Final = 47
_CLEAR_ALL: Final = 4

# The route makes the whole network local, with a source address that is not the asked one: the
# relay takes an address that answers itself for this machine's own.
SETUP: Final = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "route", "add", "local", "20.0.0.0/24", "dev", "lo", "src", "127.0.0.1"),
)


def enter(module: str) -> int:
    """Run a module of the demo's again, inside; returns its exit code."""
    user = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
    namespaces = ("unshare", *user, "--net", "--mount")
    possible = subprocess.run([*namespaces, "true"], check=False, capture_output=True, text=True)
    if possible.returncode != 0:
        sys.stderr.write(
            f"The demo's internet needs namespaces: {possible.stderr.strip()}\n"
            "Run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone, "
            "kernel.apparmor_restrict_unprivileged_userns).\n"
        )
        return possible.returncode
    command = [*namespaces, sys.executable, "-m", module, INSIDE]
    return subprocess.run(command, check=False).returncode


@contextmanager
def internet() -> Iterator[None]:
    """Set the namespaces up, and serve; for the process that `enter` started."""
    for words in SETUP:
        subprocess.run(words, check=True)
    with tempfile.NamedTemporaryFile("w", prefix="bbox-demo-hosts-") as hosts:
        hosts.write(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
        hosts.flush()
        Path(hosts.name).chmod(0o644)
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        with http.server.ThreadingHTTPServer((ADDRESS, 80), _Notes) as server:
            _give_up_capabilities()
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


def _give_up_capabilities() -> None:
    """Children of an ordinary user get none of those that the namespaces gave."""
    # Ambient ones alone outlive an exec of somebody who is not root (capabilities(7)).
    if ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0) != 0:
        sys.exit("prctl(PR_CAP_AMBIENT) failed.")


class _Notes(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = NOTES.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        return
