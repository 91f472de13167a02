# SPDX-License-Identifier: Apache-2.0
"""The provider's key is used for the agent, and is nowhere that the guest could have it from."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from demo.mock_model import MockModel
from demo.script import Script, Turn
from tests.vm.bbox_command import Bbox, own_bbox
from tests.vm.session_processes import command_line, descendants, host_of, of_kind, wait_until

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

KEY: Final = "sk-proj-0123456789-the-host-alone-has-this-key"
MARK: Final = "the-guest-wrote-this-to-its-disk"
# Codex hides variables with KEY in their name from its commands; its own process has them.
SNEAK: Final = f"""
cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' >all
sed -n 's/^OPENAI_API_KEY=//p' all | head -n 1 >placeholder && rm all
env >environment
echo {MARK} >~/mark && sync
touch ready; for _ in $(seq 600); do [ -e ~/never ] || sleep 0.1; done
"""
CHUNK_BYTES: Final = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Where the key, the placeholder and the mark were found while the agent ran."""

    memory: frozenset[str]
    daemons: frozenset[str]
    scratch: frozenset[str]
    files: dict[str, frozenset[str]]
    words: frozenset[str]
    environments: frozenset[str]
    placeholder: str
    authorized: int


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    workspace = tmp_path_factory.mktemp("secret")
    script = Script(turns=(Turn(say="Looking around.", run=SNEAK),), final="Done.")
    with (
        MockModel(script, key=KEY) as model,
        own_bbox({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url}) as bbox,
    ):
        process = bbox.start("codex", "--", "exec", "look", cwd=workspace)
        try:
            yield _search(bbox, workspace, model)
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _search(bbox: Bbox, workspace: Path, model: MockModel) -> Searched:
    wait_until(lambda: bbox.sessions(workspace), 20, "a session")
    session = bbox.sessions(workspace)[0]["id"]
    directory = bbox.session_directory(session)
    upper = directory / "upper/u"
    wait_until((upper / "ready").exists, 120, "the agent's first command")
    placeholder = (upper / "placeholder").read_text().strip()
    needles = (KEY, placeholder, MARK)
    # The host has the user's environment, and hands the key to the proxy.
    host = host_of(session)
    processes = descendants(host)
    qemu = of_kind(processes, "qemu")[0]
    proxy = of_kind(processes, "proxy")
    others = [one for one in processes if one not in {qemu, *proxy}]
    return Searched(
        memory=search_descriptors(qemu, "/memfd:", needles),
        daemons=frozenset().union(*(search_memory(one, needles) for one in (qemu, *others))),
        scratch=search_descriptors(qemu, f"{directory}/", needles),
        files=search_files((directory, bbox.home / "run", workspace), needles),
        words=search(b"".join(map(command_line, (host, *processes))), needles),
        environments=frozenset().union(
            *(search(Path(f"/proc/{one}/environ").read_bytes(), needles) for one in processes)
        ),
        placeholder=placeholder,
        authorized=sum(request.is_authorized for request in model.requests),
    )


def search(content: bytes, needles: tuple[str, ...]) -> frozenset[str]:
    return frozenset(needle for needle in needles if needle.encode() in content)


def search_descriptors(pid: int, target: str, needles: tuple[str, ...]) -> frozenset[str]:
    """Look into what a process has open, also where it has no name any more."""
    found = frozenset[str]()
    searched = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if str(descriptor.readlink()).startswith(target):
            fd = os.open(descriptor, os.O_RDONLY)
            size = os.fstat(fd).st_size
            found |= _search_extents(fd, _extents(fd, size), needles)
            os.close(fd)
            searched += size
    assert searched > 0, f"{pid} has nothing like {target} open"
    return found


def search_memory(pid: int, needles: tuple[str, ...]) -> frozenset[str]:
    """Look into a process's own memory; mapped files and what it shares are looked at apart."""
    maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    ranges = [
        [int(end, 16) for end in words[0].split("-")]
        for words in maps
        if words[1].startswith("rw-p") and words[-1] != "[vvar]"
    ]
    fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        return _search_extents(fd, ((start, end) for start, end in ranges), needles)
    finally:
        os.close(fd)


def search_files(roots: tuple[Path, ...], needles: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Look into every file; those with a needle, by name."""
    found = {}
    for path in (path for root in roots for path in root.rglob("*")):
        if path.is_file() and (hits := search(path.read_bytes(), needles)):
            found[path.name] = hits
    return found


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    with suppress(OSError):  # ENXIO: only a hole is left
        while end < size:
            start = os.lseek(fd, end, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
            yield start, end


def _search_extents(
    fd: int, extents: Iterator[tuple[int, int]], needles: tuple[str, ...]
) -> frozenset[str]:
    overlap = max(map(len, needles))
    found = frozenset[str]()
    for start, end in extents:
        for offset in range(start, end, CHUNK_BYTES):
            length = min(CHUNK_BYTES + overlap, end - offset)
            with suppress(OSError):  # a page that can't be read, as of a guard
                found |= search(os.pread(fd, length, offset), needles)
    return found


def test_the_search_finds_what_is_there(searched: Searched) -> None:
    assert searched.placeholder
    assert searched.placeholder != KEY
    assert searched.placeholder in searched.memory
    assert MARK in searched.memory
    assert MARK in searched.scratch
    assert searched.files["placeholder"] == {searched.placeholder}


def test_the_key_was_used(searched: Searched) -> None:
    assert searched.authorized >= 1


def test_the_key_is_not_in_the_guests_memory_nor_on_its_disks(searched: Searched) -> None:
    assert KEY not in searched.memory
    assert KEY not in searched.scratch
    assert all(KEY not in hits for hits in searched.files.values())


def test_the_key_is_in_no_daemon_but_the_proxy(searched: Searched) -> None:
    assert KEY not in searched.daemons


def test_the_key_is_in_no_command_line_and_no_environment(searched: Searched) -> None:
    assert KEY not in searched.words
    assert KEY not in searched.environments
