# SPDX-License-Identifier: Apache-2.0
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.vm import GuestConfig, ShellIdentity
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.guest_system.session_part import session_part
from bbox_server.infra.guest_system.system import BuiltGuestSystem
from bbox_server.infra.process.sandbox_user import SandboxUser
from guest.cpio import Archive
from tests.unit.guest.initramfs import Entry, by_path, read_archives

_OWNER = SandboxUser(uid=os.geteuid() or 64998, gid=os.getegid() or 64998)
_GUEST = GuestConfig(
    hostname="bbox-0a1b2c3d",
    tmp_size_mib=512,
    identity=ShellIdentity(
        host_private_key=b"HOST KEY",
        host_public_key=b"ssh-ed25519 HOST",
        client_private_key=b"CLIENT KEY",
        client_public_key=b"ssh-ed25519 CLIENT",
    ),
    time_ns=1_700_000_000_999_999_999,
)


def _publish(root: Path, name: str, content: bytes, age: int = 0) -> Path:
    directory = root / name
    directory.mkdir(parents=True)
    archive = Archive()
    archive.file("init", content, 0o755)
    files = {"vmlinux": b"kernel", "initramfs": archive.finish() + b"\0"}  # no multiple of 4
    for file, data in files.items():
        (directory / file).write_bytes(data)
    manifest = {"files": {file: {"size": len(data)} for file, data in files.items()}}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    os.utime(directory / "manifest.json", (1_000_000 - age, 1_000_000 - age))
    return directory


def _session_files(guest: GuestConfig) -> dict[str, Entry]:
    (entries,) = read_archives(session_part(guest))
    return by_path(entries)


@pytest.fixture
def system(tmp_path: Path) -> BuiltGuestSystem:
    _publish(tmp_path / "guest", "aaaa", b"#!init")
    return BuiltGuestSystem(root=tmp_path / "guest", owner=_OWNER)


def test_a_session_gets_the_shared_archive_and_then_its_own(
    system: BuiltGuestSystem, tmp_path: Path
) -> None:
    files = system.assemble(_GUEST, HostPath(str(tmp_path)))

    shared, own = read_archives(Path(files.initramfs).read_bytes())
    assert [entry.path for entry in shared] == ["init"]
    assert by_path(own)["bbox/host_key"].content == b"HOST KEY"
    assert Path(files.kernel).read_bytes() == b"kernel"


def test_only_the_sandbox_user_may_read_it(system: BuiltGuestSystem, tmp_path: Path) -> None:
    files = system.assemble(_GUEST, HostPath(str(tmp_path)))

    found = Path(files.initramfs).stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == _OWNER.uid


def test_the_newest_build_is_taken(system: BuiltGuestSystem, tmp_path: Path) -> None:
    _publish(tmp_path / "guest", "bbbb", b"#!older", age=10)
    newest = _publish(tmp_path / "guest", "cccc", b"#!newer", age=-10)

    assert system.probe_files().kernel == str(newest / "vmlinux")


def test_a_build_in_progress_is_not_seen(system: BuiltGuestSystem, tmp_path: Path) -> None:
    _publish(tmp_path / "guest" / ".part-x", "dddd", b"#!newer", age=-10)

    assert "aaaa" in system.probe_files().kernel


def test_the_probe_boots_without_a_session(system: BuiltGuestSystem) -> None:
    (shared,) = read_archives(Path(system.probe_files().initramfs).read_bytes())

    assert [entry.path for entry in shared] == ["init"]


def _unbuilt(directory: Path) -> None:
    (directory / "manifest.json").unlink()


def _cut(directory: Path) -> None:
    os.truncate(directory / "initramfs", 100)


def _without_kernel(directory: Path) -> None:
    (directory / "vmlinux").unlink()


def _damaged_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_text('{"files": []}')


def _no_manifest_text(directory: Path) -> None:
    (directory / "manifest.json").write_bytes(b"\xff{")


@pytest.mark.parametrize(
    "damage", [_unbuilt, _cut, _without_kernel, _damaged_manifest, _no_manifest_text]
)
def test_a_guest_that_is_not_whole_is_missing(
    system: BuiltGuestSystem, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    damage(tmp_path / "guest" / "aaaa")

    with pytest.raises(BboxError) as raised:
        system.assemble(_GUEST, HostPath(str(tmp_path)))

    assert raised.value.code is ErrorCode.GUEST_SYSTEM_MISSING
    assert "make build-guest" in raised.value.remediation
    assert not (tmp_path / "initramfs").exists()


def test_an_initramfs_of_someone_else_is_not_followed(
    system: BuiltGuestSystem, tmp_path: Path
) -> None:
    (tmp_path / "initramfs").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        system.assemble(_GUEST, HostPath(str(tmp_path)))

    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_told_and_leaves_nothing(system: BuiltGuestSystem) -> None:
    _publish(system.root, "large", bytes(20_000), age=-10)
    # A tmpfs of one page in a namespace of a child: the adapter runs there.
    script = f"""
import sys
from pathlib import Path, PurePosixPath
from bbox_server.domain.error import BboxError
from tests.infra.test_guest_system import _GUEST, _OWNER, BuiltGuestSystem
system = BuiltGuestSystem(root=Path({str(system.root)!r}), owner=_OWNER)
try:
    system.assemble(_GUEST, "/mnt")
except BboxError as error:
    sys.exit(f"{{error.code}} {{list(Path('/mnt').iterdir())}}")
"""
    mount = 'mount -t tmpfs -o size=4k full /mnt && exec python -c "$0"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, script]
    done = subprocess.run(
        namespace,
        cwd=Path(__file__).parents[2],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.strip() == "disk.full []"


def test_no_private_key_of_the_client_reaches_the_guest() -> None:
    assert b"CLIENT KEY" not in session_part(_GUEST)


def test_keys_are_roots_alone() -> None:
    files = _session_files(_GUEST)

    assert files["bbox/host_key"].mode == stat.S_IFREG | 0o600
    assert files["bbox/env"].mode == stat.S_IFREG | 0o600
    assert files["bbox/authorized_keys"].content == b"ssh-ed25519 CLIENT\n"
    assert {entry.uid for entry in files.values()} == {0}


def test_settings_are_numbers_and_checked_names() -> None:
    settings = _session_files(_GUEST)["bbox/env"].content.decode()

    assert settings == (
        "BBOX_HOSTNAME=bbox-0a1b2c3d\nBBOX_SHARE=virtiofs\nBBOX_TIME=1700000000\nBBOX_TMP_MIB=512\n"
        "BBOX_WORKDIR=''\n"
    )


@pytest.mark.parametrize("hostname", ["", "-a", "a;reboot", "a\nb", "A", "x" * 64])
def test_a_hostname_that_is_none_is_refused(hostname: str) -> None:
    with pytest.raises(ValueError, match="hostname"):
        session_part(replace(_GUEST, hostname=hostname))


def test_certificates_come_only_if_there_are_any() -> None:
    with_certificates = replace(_GUEST, trusted_certificates=b"PEM")

    assert "tools/ca-certificates.crt" not in _session_files(_GUEST)
    assert _session_files(with_certificates)["tools/ca-certificates.crt"].content == b"PEM"


_VALUES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
_NAMES = st.from_regex(r"X[A-Za-z0-9_]{0,8}", fullmatch=True)


@given(st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=4))
def test_any_value_of_the_image_arrives_as_it_is(variables: dict[str, str]) -> None:
    assert _evaluate(variables, {}) == variables


def test_what_the_client_set_stays() -> None:
    assert _evaluate({"LANG": "C", "XTERM": "a"}, {"LANG": "de_DE"}) == {
        "LANG": "de_DE",
        "XTERM": "a",
    }


@pytest.mark.parametrize(
    "variables",
    [{"A B": "x"}, {"1A": "x"}, {"A=B": "x"}, {"": "x"}, {"$(reboot)": "x"}, {"A": "x\0y"}],
)
def test_what_no_shell_can_hold_is_left_out(variables: dict[str, str]) -> None:
    assert _session_files(replace(_GUEST, image_env=variables))["tools/image.env"].content == b""


def test_the_login_decides_on_home_and_its_like() -> None:
    variables = {"HOME": "/root", "USER": "root", "SHELL": "/bin/zsh", "PATH": "/opt/bin"}

    content = _session_files(replace(_GUEST, image_env=variables))["tools/image.env"].content

    assert content == b"image_path='/opt/bin'\n"


def _evaluate(variables: dict[str, str], client: dict[str, str]) -> dict[str, str]:
    """The environment that busybox has after reading the file, as it does in the guest."""
    text = _session_files(replace(_GUEST, image_env=variables))["tools/image.env"].content
    done = subprocess.run(
        ["/bin/busybox", "sh", "-c", text + b"\nexec /usr/bin/env -0"],
        env=client,
        capture_output=True,
        check=True,
    )
    pairs = (item.split("=", 1) for item in done.stdout.decode().split("\0") if item)
    return {name: value for name, value in pairs if name not in {"PATH", "PWD", "SHLVL", "_"}}


def _with_home(*files: GuestFile) -> dict[str, Entry]:
    return _session_files(replace(_GUEST, home=files))


def test_files_of_the_home_are_the_agents_and_lie_in_the_skeleton() -> None:
    files = _with_home(
        GuestFile(path=PurePosixPath(".tool/sub/é"), content=b"1"),
        GuestFile(path=PurePosixPath(".tool/run"), content=b"2", mode=0o700),
        GuestFile(path=PurePosixPath(".tool/run"), content=b"the last one", mode=0o750),
    )
    home = {p: e for p, e in files.items() if p.startswith("skeleton/home")}
    assert {path: (e.mode, e.uid, e.gid, e.content) for path, e in home.items()} == {
        "skeleton/home/sandbox/.tool": (stat.S_IFDIR | 0o700, 1000, 1000, b""),
        "skeleton/home/sandbox/.tool/sub": (stat.S_IFDIR | 0o700, 1000, 1000, b""),
        "skeleton/home/sandbox/.tool/sub/é": (stat.S_IFREG | 0o600, 1000, 1000, b"1"),
        "skeleton/home/sandbox/.tool/run": (stat.S_IFREG | 0o750, 1000, 1000, b"the last one"),
    }


@pytest.mark.parametrize("path", ["/etc/passwd", "../../init", "a/../../b"])
def test_a_file_of_the_home_is_below_it(path: str) -> None:
    with pytest.raises(ValueError, match="below the home"):
        _with_home(GuestFile(path=PurePosixPath(path), content=b""))
