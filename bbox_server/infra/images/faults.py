# SPDX-License-Identifier: Apache-2.0
"""The errors of this adapter."""

import errno
from pathlib import Path

from bbox_server.domain.error import BboxError, ErrorCode

_REBUILD = "Build or fetch it again (`make image-all` builds those of the project)."


def corrupt(cause: str) -> BboxError:
    """image.corrupt: what the image contains is not what it says."""
    return BboxError(ErrorCode.IMAGE_CORRUPT, cause=cause, remediation=_REBUILD)


def unsupported(cause: str, remediation: str) -> BboxError:
    """image.unsupported: sound, but nothing that can be run here."""
    return BboxError(ErrorCode.IMAGE_UNSUPPORTED, cause=cause, remediation=remediation)


def not_found(cause: str, remediation: str) -> BboxError:
    """image.not-found."""
    return BboxError(ErrorCode.IMAGE_NOT_FOUND, cause=cause, remediation=remediation)


def disk_full(directory: Path) -> BboxError:
    """disk.full: what was begun is removed already when this is raised."""
    return BboxError(
        ErrorCode.DISK_FULL,
        cause=f"The root filesystem does not fit into {directory}.",
        remediation="Free some space (an image takes up to its own size) and start again.",
    )


def unusable(path: Path, error: OSError) -> BboxError:
    """directory.unusable."""
    return BboxError(
        ErrorCode.DIRECTORY_UNUSABLE,
        cause=f"{path} can't be written: {error.strerror}.",
        remediation="Check the disk, and the directory's owner and mode.",
    )


def is_disk_full(error: OSError) -> bool:
    """Whether the system said that there is no room."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
