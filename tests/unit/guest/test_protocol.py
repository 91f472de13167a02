# SPDX-License-Identifier: Apache-2.0
"""guest/README.md is what the guest's scripts and the host agree on."""

import re
import subprocess
from pathlib import Path

import pytest

from bbox_server.domain.vm import GuestConfig, ShellIdentity
from bbox_server.infra.guest_system.session_part import session_part
from guest.layout import MODULES
from tests.unit.guest.initramfs import by_path, read_archives

_GUEST = Path(__file__).parents[3] / "guest"
_README = (_GUEST / "README.md").read_text()
_SYSTEM = _GUEST / "system"
_SCRIPTS = sorted(
    path
    for path in _SYSTEM.rglob("*")
    if path.is_file() and (path.suffix == ".sh" or path.read_bytes().startswith(b"#!"))
)
_TEXT = "".join(path.read_text() for path in _SCRIPTS)


def _documented(pattern: str) -> set[str]:
    return set(re.findall(pattern, _README, re.MULTILINE))


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    # SC1091: the files it sources lie elsewhere in the guest than here.
    argv = ["/usr/bin/shellcheck", "--shell=sh", "--exclude=SC1091", str(script)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.stdout == ""
    assert done.returncode == 0


def test_busybox_itself_parses_every_script() -> None:
    for script in _SCRIPTS:
        subprocess.run(["/bin/busybox", "sh", "-n", str(script)], check=True)


def test_every_step_of_the_boot_is_documented() -> None:
    steps = set(re.findall(r"\bstep ([a-z]+)", _TEXT))

    assert steps == _documented(r"^\| `BBOX ([a-z]+) T` \|")
    assert len(steps) > 5


def test_the_other_marks_on_the_console_are_documented() -> None:
    marks = set(re.findall(r"\b(BBOX-(?:WARN|FAIL|OOM))\b", _TEXT))

    assert marks == _documented(r"^\| `(BBOX-[A-Z]+) [A-Z ]+` \| (?!guest)") - {
        "BBOX-READY",
        "BBOX-GO",
    }


def test_the_verbs_of_the_control_port_are_documented() -> None:
    control = (_SYSTEM / "lib/bbox/control.sh").read_text()
    verbs = set(re.findall(r"^ {4}([A-Z]+)\)", control, re.MULTILINE))

    assert verbs == _documented(r"^\| `([A-Z]+) NONCE[A-Z ]*` \|")
    assert {"RESET", "CLOCK", "OFF"} <= verbs


def test_the_lines_of_the_shell_port_are_documented() -> None:
    script = (_SYSTEM / "lib/bbox/shellport.sh").read_text()

    for mark in ("BBOX-READY", "BBOX-GO"):
        assert mark in script
        assert f"`{mark} NONCE`" in _README


def test_settings_are_written_documented_and_read() -> None:
    files = _session_files()
    written = set(re.findall(r"^(BBOX_[A-Z]+)=", files["bbox/env"].decode(), re.MULTILINE))

    assert written == _documented(r"^\| `(BBOX_[A-Z]+)` \|")
    assert all(re.search(rf"\b{name}\b", _TEXT) for name in written)


def test_the_files_of_a_session_are_documented() -> None:
    for path in _session_files():
        assert f"`{path}`" in _README


def test_each_driver_condition_is_one_that_init_knows() -> None:
    assert {condition for _, condition in MODULES} == {"-", "mmio", "pci", "virtiofs", "9p", "late"}
    assert {path.name for path in (_SYSTEM / "etc").glob("fstab.disks-*")} == {
        "fstab.disks-9p",
        "fstab.disks-virtiofs",
    }


def _session_files() -> dict[str, bytes]:
    identity = ShellIdentity(
        host_private_key=b"hk",
        host_public_key=b"hp",
        client_private_key=b"ck",
        client_public_key=b"cp",
    )
    guest = GuestConfig(
        hostname="bbox",
        tmp_size_mib=1,
        identity=identity,
        time_ns=0,
        trusted_certificates=b"certificates",
    )
    (entries,) = read_archives(session_part(guest))
    return {path: entry.content for path, entry in by_path(entries).items()}
