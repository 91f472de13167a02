# SPDX-License-Identifier: Apache-2.0
"""The main job from end to end, in a directory of its own: `make demo`.

A real Codex CLI runs in a real microVM and changes a small project; only its model is a script.
On a terminal the review asks you. Elsewhere the decisions are made by commands that are printed.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from demo.mock_model import MockModel
from demo.script import load_script

HERE: Final = Path(__file__).parent
PROMPT: Final = "Cents get lost in tally. Keep amounts exact, and add a total to the report."
# The key is real to the mock: it answers nobody who does not present it.
KEY: Final = "sk-demo-this-key-stays-on-the-host"
PACE_S: Final = 0.4
GIT_IDENTITY: Final = ("-c", "user.name=Demo", "-c", "user.email=demo@example.invalid")


def say(text: str) -> None:
    """A line of the demo's own."""
    colour = sys.stdout.isatty()
    print(f"\n\x1b[1;36m▸ {text}\x1b[0m" if colour else f"\n> {text}", flush=True)  # noqa: T201 (the demo's output)


def make_project(directory: Path) -> None:
    """A git repository with the demo's project, and a secret that the agent must not see."""
    shutil.copytree(HERE / "project", directory, ignore=shutil.ignore_patterns(".*_cache"))
    (directory / ".env").write_text("DATABASE_PASSWORD=only-for-the-host\n")
    (directory / ".gitignore").write_text(".env\ndist/\n__pycache__/\n")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Start"]):
        subprocess.run(["git", *GIT_IDENTITY, *words], cwd=directory, check=True)


def bbox(words: list[str], directory: Path, env: dict[str, str]) -> int:
    """Show a command and run it."""
    say(shlex.join(["bbox", *words]))
    command = [str(Path(sys.executable).with_name("bbox")), *words]
    return subprocess.run(command, cwd=directory, env=env, check=False).returncode


def decide(directory: Path, env: dict[str, str]) -> int:
    """What a person would do at the prompts: take the work, refuse what runs on the host."""
    steps = (
        ["diff", "--stat"],
        ["diff", "src/tally/money.py"],
        ["review", "--accept-all", "--build-files", "--reject", ".vscode/tasks.json"],
        ["flush"],
    )
    codes = [bbox(words, directory, env) for words in steps]
    say("git status --short, in the workspace")
    subprocess.run(["git", "status", "--short"], cwd=directory, check=False)
    return max(codes)


def main() -> int:
    """Run the demo; returns its exit code."""
    started = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="bbox-demo-"))
    directory = root / "tally"
    make_project(directory)
    script = load_script(HERE / "scripts" / "demo.json")
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    with MockModel(script, key=KEY, pace_s=PACE_S if interactive else 0.0) as model:
        env = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url}
        run = ["codex", *([] if interactive else ["--no-review"]), "--", "exec", PROMPT]
        code = bbox(run, directory, env)
        if code == 0 and not interactive:
            code = decide(directory, env)
    say(f"The project is in {directory} ({time.monotonic() - started:.0f} s in all).")
    return code


if __name__ == "__main__":
    sys.exit(main())
