# SPDX-License-Identifier: Apache-2.0
"""Programs that take over the user's own terminal: an editor, a pager."""

import subprocess
from collections.abc import Mapping

from bbox_server.infra.process.programs import missing_program


def run_interactive(
    argv: tuple[str, ...], *, env: Mapping[str, str], text: bytes | None = None
) -> int:
    """Run on this terminal, in this process group, as the user; blocks until it ends.

    Args:
        argv: The program and its words.
        env: Its whole environment: an editor needs the user's own.
        text: Standard input; None leaves the terminal's.

    Returns:
        The exit code.

    Raises:
        BboxError: dependency.missing.
    """
    try:
        return subprocess.run(argv, env=dict(env), input=text, check=False).returncode
    except FileNotFoundError as error:
        raise missing_program(argv[0]) from error
    except BrokenPipeError:
        # The user left the pager before its end.
        return 0
