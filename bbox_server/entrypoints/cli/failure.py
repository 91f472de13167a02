# SPDX-License-Identifier: Apache-2.0
"""Failures, as a person and as a machine read them."""

from bbox_server.domain.error import BboxError
from bbox_server.domain.session import Failure
from bbox_server.entrypoints.cli.style import Style


def failure_of(error: BboxError) -> Failure:
    """The error as it is kept and shown."""
    return Failure(
        code=error.code.value,
        message=error.message,
        cause=error.cause,
        remediation=error.remediation,
        retry=error.retry,
    )


def as_text(failure: Failure, style: Style) -> str:
    """What went wrong, why, and what to do; the code last, for searching."""
    lines = [f"{style.red('Error:')} {style.bold(failure.message)}", f"  {failure.cause}"]
    if failure.remediation:
        lines.append(f"  {style.green('→')} {failure.remediation}")
    lines.append(style.dim(f"  {failure.code}, docs/errors.md"))
    return "\n".join(lines) + "\n"
