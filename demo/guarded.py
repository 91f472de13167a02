# SPDX-License-Identifier: Apache-2.0
"""What guards a session, in one run: `make demo-guarded`.

A real Codex CLI in a real microVM, its model a script and its internet one host. The agent asks for
that host and is refused; you allow it once; the provider is asked with a key, and neither the
agent nor a search of the guest's whole memory and of its disks finds that key.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.infra.host.directories import resolve_directories
from demo.__main__ import HERE, bbox, make_project, say
from demo.internet import HOST, INSIDE, NOTES, enter, internet
from demo.mock_model import MockModel
from demo.script import load_script
from demo.search import GUEST_MEMORY, Search, qemu_of

# Another one than the script's pattern is written as, so that the script itself is no find.
KEY: Final = "sk-guarded-this-key-stays-on-the-host"
# Each run has one of its own, which begins so; the guest has it where others have a key.
PLACEHOLDER: Final = "bbox-placeholder-"
PROMPT: Final = f"Fetch the release notes from http://{HOST}/2.0.txt."
NOTHING_FOUND: Final = "keys in processes: 0; files with keys: 0"
RECORDED: Final = re.compile(r" credential\.used | network\.(blocked|answered) ")
BBOX: Final = Path(sys.executable).with_name("bbox")
STEP_S: Final = 180
POLL_S: Final = 0.1
MIB: Final = 1 << 20


class _FailedError(Exception):
    """The demo did not show what it is there to show."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A session whose agent waits for its model between the steps.

    Attributes:
        directory: The workspace.
        running: The `bbox` that shows it.
    """

    model: MockModel
    directory: Path
    env: dict[str, str]
    running: "subprocess.Popen[bytes]"

    def output(self, number: int) -> str:
        """What the agent's command gave; the agent then waits."""
        self.wait(lambda: len(self._outputs()) > number, f"the agent's command {number + 1}")
        return self._outputs()[number]

    def _outputs(self) -> tuple[str, ...]:
        return max((request.outputs for request in self.model.requests), key=len, default=())

    def wait(self, is_there: Callable[[], bool], what: str) -> None:
        """Wait for the agent. Raises: _FailedError."""
        deadline = time.monotonic() + STEP_S
        while not is_there():
            if time.monotonic() > deadline or self.running.poll() is not None:
                raise _FailedError(f"{what} did not come")
            time.sleep(POLL_S)

    def bbox(self, *words: str) -> None:
        """A command of the user's. Raises: _FailedError."""
        if bbox(list(words), self.directory, self.env) != 0:
            raise _FailedError(f"bbox {words[0]} failed")

    def told(self, *words: str) -> str:
        """What a command says, for the demo itself."""
        command = [str(BBOX), *words]
        done = subprocess.run(
            command, cwd=self.directory, env=self.env, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout


def blocked_and_allowed(scene: Scene) -> None:
    """A host that nobody has allowed, and then somebody for once."""
    said = scene.output(0)
    check("curl: (7)" in said, f"the agent could not reach {HOST}: {last_line(said)}")
    scene.bbox("network", "log")
    scene.bbox("network", "allow", f"{HOST}:80", "--once")
    scene.model.hold(3)
    check(NOTES.strip() in scene.output(1), f"the agent has what {HOST} says")


def key_is_not_found(scene: Scene) -> None:
    """The provider answers to the key, and the key is not in the guest."""
    asked = scene.model.requests
    check(
        bool(asked) and all(request.is_authorized for request in asked),
        f"the provider was asked {len(asked)} times, each time with the key",
    )
    said = scene.output(2)
    check(NOTHING_FOUND in said, f"the agent finds in its guest: {last_line(said)}")
    say("The host searches the guest's memory, its disks, and the session's files")
    place = resolve_directories(os.environ, uid=os.geteuid()).state / "sessions"
    session = place / str(json.loads(scene.told("sessions", "--json"))["sessions"][0]["id"])
    qemu, search = qemu_of(session), Search(needles=(KEY, PLACEHOLDER))
    search.descriptors(qemu, GUEST_MEMORY)
    search.descriptors(qemu, f"{session}/")
    search.memory(qemu)
    for path in session.rglob("*"):
        if path.is_file():
            search.content(path.read_bytes())
    check(PLACEHOLDER in search.found, f"{search.size // MIB} MiB: the placeholder is there")
    check(KEY not in search.found, "the key is not")


def show_record(scene: Scene) -> None:
    """What was done with the key, and at the network's border: a line each, without bodies."""
    say("bbox logs | grep -E 'credential.used|network.(blocked|answered)'")
    lines = [line for line in scene.told("logs").splitlines() if RECORDED.search(line)]
    print("\n".join(lines), flush=True)  # noqa: T201 (the demo's output)
    check(len(lines) >= len(scene.model.requests), "each request with the key is on record")


def check(is_so: bool, text: str) -> None:  # noqa: FBT001 (it reads as a sentence)
    """Say what is so. Raises: _FailedError."""
    if not is_so:
        raise _FailedError(f"it is not so that {text}")
    say(f"✓ {text}")


def last_line(text: str) -> str:
    """The end of an output."""
    return text.strip().splitlines()[-1] if text.strip() else "nothing"


def play(directory: Path) -> None:
    """All steps, in one session. Raises: _FailedError."""
    script = load_script(HERE / "scripts" / "guarded.json")
    with internet(), MockModel(script, key=KEY) as model:
        env = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url}
        model.hold(1)
        words = ["codex", "--no-review", "--", "exec", PROMPT]
        say(f"bbox {' '.join(words[:-1])} '{PROMPT}'")
        running = subprocess.Popen(
            [str(BBOX), *words],
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
        )
        scene = Scene(model=model, directory=directory, env=env, running=running)
        try:
            blocked_and_allowed(scene)
            key_is_not_found(scene)
            model.release()
            check(running.wait(STEP_S) == 0, "the agent has ended well")
        finally:
            end(running)
        show_record(scene)
        scene.bbox("discard", "--force")


def end(running: "subprocess.Popen[bytes]") -> None:
    """End what a failure left."""
    if running.poll() is None:
        running.terminate()
        running.wait(STEP_S)


def main() -> int:
    """Run the demo; returns its exit code."""
    if INSIDE not in sys.argv:
        return enter("demo.guarded")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bbox-demo-") as root:
        directory = Path(root) / "tally"
        make_project(directory)
        try:
            play(directory)
        except _FailedError as failure:
            say(f"✗ {failure}.")
            return 1
    say(f"All of it held ({time.monotonic() - started:.0f} s in all).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
