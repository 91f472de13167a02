# SPDX-License-Identifier: Apache-2.0
"""The one error that crosses layers, and its catalogue."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from typing_extensions import override


class Retry(StrEnum):
    """Whether a repeat of the failed action is safe and can help."""

    RETRY = "retry"
    FIX = "fix"
    UNKNOWN = "unknown"


class ErrorCode(StrEnum):
    """Stable, dotted codes: an editor or a script may match on them."""

    AGENT_EXISTS = "agent.exists"
    AGENT_INVALID = "agent.invalid"
    AGENT_INVALID_NAME = "agent.invalid-name"
    AGENT_UNKNOWN = "agent.unknown"
    BOOT_FAILED = "boot.failed"
    BOOT_TIMEOUT = "boot.timeout"
    CLI_USAGE = "cli.usage"
    CONFIG_EXISTS = "config.exists"
    CONFIG_INVALID = "config.invalid"
    CREDENTIAL_INVALID_ROUTE = "credential.invalid-route"
    CREDENTIAL_LOGIN_EXPIRED = "credential.login-expired"
    CREDENTIAL_LOGIN_UNREACHABLE = "credential.login-unreachable"
    CREDENTIAL_MISSING = "credential.missing"
    CREDENTIAL_PROXY_FAILED = "credential.proxy-failed"
    CREDENTIAL_STORE_FAILED = "credential.store-failed"
    DEPENDENCY_MISSING = "dependency.missing"
    DIRECTORY_UNUSABLE = "directory.unusable"
    DISK_FULL = "disk.full"
    EGRESS_INVALID_PROXY = "egress.invalid-proxy"
    EGRESS_INVALID_RULE = "egress.invalid-rule"
    EGRESS_PORT_TAKEN = "egress.port-taken"
    EGRESS_RELAY_FAILED = "egress.relay-failed"
    ENVIRONMENT_INVALID_PATTERN = "environment.invalid-pattern"
    ENVIRONMENT_MISSING = "environment.missing"
    EXCLUDE_INVALID = "exclude.invalid"
    FLUSH_BUSY = "flush.busy"
    FLUSH_FAILED = "flush.failed"
    FLUSH_JOURNAL_CORRUPT = "flush.journal-corrupt"
    FLUSH_STALE = "flush.stale"
    FLUSH_UNKNOWN = "flush.unknown"
    GIT_FAILED = "git.failed"
    GUEST_COMMAND_FAILED = "guest.command-failed"
    GUEST_LOST = "guest.lost"
    GUEST_SYSTEM_MISSING = "guest.system-missing"
    IMAGE_CORRUPT = "image.corrupt"
    IMAGE_INVALID_REFERENCE = "image.invalid-reference"
    IMAGE_LOGIN_FAILED = "image.login-failed"
    IMAGE_NOT_FOUND = "image.not-found"
    IMAGE_REGISTRY_DENIED = "image.registry-denied"
    IMAGE_REGISTRY_FAILED = "image.registry-failed"
    IMAGE_REGISTRY_LIMITED = "image.registry-limited"
    IMAGE_REGISTRY_UNREACHABLE = "image.registry-unreachable"
    IMAGE_UNSUPPORTED = "image.unsupported"
    PATH_OUTSIDE = "path.outside"
    PROCESS_FAILED = "process.failed"
    PROTOCOL_MISMATCH = "protocol.mismatch"
    REVIEW_INVALID = "review.invalid"
    REVIEW_STALE = "review.stale"
    SESSION_BUSY = "session.busy"
    SESSION_CORRUPT = "session.corrupt"
    SESSION_HOST_FAILED = "session.host-failed"
    SESSION_STATE = "session.state"
    SESSION_UNKNOWN = "session.unknown"
    SETTINGS_MISSING = "settings.missing"
    SHARE_FAILED = "share.failed"
    SIZE_INVALID = "size.invalid"
    SNAPSHOT_FAILED = "snapshot.failed"
    SNAPSHOT_LIMIT = "snapshot.limit"
    SSH_FAILED = "ssh.failed"
    WORKSPACE_INVALID = "workspace.invalid"
    WORKSPACE_NOT_ACKNOWLEDGED = "workspace.not-acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """What is the same each time a code is raised."""

    message: str
    retry: Retry


def _entry(message: str, retry: Retry) -> CatalogueEntry:
    return CatalogueEntry(message=message, retry=retry)


CATALOGUE: Final[dict[ErrorCode, CatalogueEntry]] = {
    ErrorCode.AGENT_EXISTS: _entry("There is an agent of that name already.", Retry.FIX),
    ErrorCode.AGENT_INVALID: _entry("The definition of an agent is not valid.", Retry.FIX),
    ErrorCode.AGENT_INVALID_NAME: _entry("An agent can't have that name.", Retry.FIX),
    ErrorCode.AGENT_UNKNOWN: _entry("There is no such agent.", Retry.FIX),
    ErrorCode.BOOT_FAILED: _entry("The microVM did not start.", Retry.FIX),
    ErrorCode.BOOT_TIMEOUT: _entry("The microVM did not become ready in time.", Retry.RETRY),
    ErrorCode.CLI_USAGE: _entry("The command line is not valid.", Retry.FIX),
    ErrorCode.CONFIG_EXISTS: _entry("There is a config file already.", Retry.FIX),
    ErrorCode.CONFIG_INVALID: _entry("The configuration is not valid.", Retry.FIX),
    ErrorCode.CREDENTIAL_INVALID_ROUTE: _entry("A provider can't be served.", Retry.FIX),
    ErrorCode.CREDENTIAL_LOGIN_EXPIRED: _entry("The login is of no use any more.", Retry.FIX),
    ErrorCode.CREDENTIAL_LOGIN_UNREACHABLE: _entry("The login can't be renewed now.", Retry.RETRY),
    ErrorCode.CREDENTIAL_MISSING: _entry("The provider's key is not there.", Retry.FIX),
    ErrorCode.CREDENTIAL_PROXY_FAILED: _entry("The credential proxy does not run.", Retry.RETRY),
    ErrorCode.CREDENTIAL_STORE_FAILED: _entry("A saved login can't be read or kept.", Retry.FIX),
    ErrorCode.DEPENDENCY_MISSING: _entry("A program that bbox needs is not installed.", Retry.FIX),
    ErrorCode.DIRECTORY_UNUSABLE: _entry("A directory of bbox can't be used.", Retry.FIX),
    ErrorCode.DISK_FULL: _entry("There is no space left on the disk.", Retry.FIX),
    ErrorCode.EGRESS_INVALID_PROXY: _entry("The proxy of this network is not usable.", Retry.FIX),
    ErrorCode.EGRESS_INVALID_RULE: _entry("A network rule is not valid.", Retry.FIX),
    ErrorCode.EGRESS_PORT_TAKEN: _entry("A port can't be forwarded.", Retry.FIX),
    ErrorCode.EGRESS_RELAY_FAILED: _entry("The guest's network does not run.", Retry.RETRY),
    ErrorCode.ENVIRONMENT_INVALID_PATTERN: _entry(
        "A pattern of variables is not valid.", Retry.FIX
    ),
    ErrorCode.ENVIRONMENT_MISSING: _entry("A variable that the agent needs is not set.", Retry.FIX),
    ErrorCode.EXCLUDE_INVALID: _entry("An ignore file can't be used.", Retry.FIX),
    ErrorCode.FLUSH_BUSY: _entry("Another session applies changes here.", Retry.RETRY),
    ErrorCode.FLUSH_FAILED: _entry("The changes could not be applied.", Retry.RETRY),
    ErrorCode.FLUSH_JOURNAL_CORRUPT: _entry("The record of a flush is damaged.", Retry.FIX),
    ErrorCode.FLUSH_STALE: _entry("The files changed after the plan was shown.", Retry.RETRY),
    ErrorCode.FLUSH_UNKNOWN: _entry("There is no such flush to undo.", Retry.FIX),
    ErrorCode.GIT_FAILED: _entry("git failed.", Retry.FIX),
    ErrorCode.GUEST_COMMAND_FAILED: _entry("A command in the guest failed.", Retry.FIX),
    ErrorCode.GUEST_LOST: _entry("The connection to the guest ended.", Retry.UNKNOWN),
    ErrorCode.GUEST_SYSTEM_MISSING: _entry("The guest system is not built.", Retry.FIX),
    ErrorCode.IMAGE_CORRUPT: _entry("An image is damaged.", Retry.FIX),
    ErrorCode.IMAGE_INVALID_REFERENCE: _entry("An image reference is not valid.", Retry.FIX),
    ErrorCode.IMAGE_LOGIN_FAILED: _entry("A registry's login can't be read.", Retry.FIX),
    ErrorCode.IMAGE_NOT_FOUND: _entry("There is no such image.", Retry.FIX),
    ErrorCode.IMAGE_REGISTRY_DENIED: _entry("A registry refuses an image.", Retry.FIX),
    ErrorCode.IMAGE_REGISTRY_FAILED: _entry("A registry can't be used.", Retry.FIX),
    ErrorCode.IMAGE_REGISTRY_LIMITED: _entry("A registry asks to wait.", Retry.RETRY),
    ErrorCode.IMAGE_REGISTRY_UNREACHABLE: _entry("A registry can't be reached.", Retry.RETRY),
    ErrorCode.IMAGE_UNSUPPORTED: _entry("An image can't run here.", Retry.FIX),
    ErrorCode.PATH_OUTSIDE: _entry("A path is not in the workspace.", Retry.FIX),
    ErrorCode.PROCESS_FAILED: _entry("A helper program failed.", Retry.FIX),
    ErrorCode.PROTOCOL_MISMATCH: _entry("Client and server are of different versions.", Retry.FIX),
    ErrorCode.REVIEW_INVALID: _entry("A decision is not possible.", Retry.FIX),
    ErrorCode.REVIEW_STALE: _entry("The changes moved on after they were shown.", Retry.RETRY),
    ErrorCode.SESSION_BUSY: _entry("Another process works on this session.", Retry.RETRY),
    ErrorCode.SESSION_CORRUPT: _entry("The session's files are damaged.", Retry.FIX),
    ErrorCode.SESSION_HOST_FAILED: _entry("The session's host is gone.", Retry.UNKNOWN),
    ErrorCode.SESSION_STATE: _entry("The session is not in a state for that.", Retry.FIX),
    ErrorCode.SESSION_UNKNOWN: _entry("There is no such session.", Retry.FIX),
    ErrorCode.SETTINGS_MISSING: _entry("A settings file of the agent is missing.", Retry.FIX),
    ErrorCode.SHARE_FAILED: _entry("The workspace could not be shared with the guest.", Retry.FIX),
    ErrorCode.SIZE_INVALID: _entry("A size is not valid.", Retry.FIX),
    ErrorCode.SNAPSHOT_FAILED: _entry("The workspace could not be copied.", Retry.FIX),
    ErrorCode.SNAPSHOT_LIMIT: _entry("The workspace is too large.", Retry.FIX),
    ErrorCode.SSH_FAILED: _entry("The guest's shell does not answer.", Retry.RETRY),
    ErrorCode.WORKSPACE_INVALID: _entry("The workspace can't be used.", Retry.FIX),
    ErrorCode.WORKSPACE_NOT_ACKNOWLEDGED: _entry("Direct mode is not acknowledged.", Retry.FIX),
}


class BboxError(Exception):
    """A failure that a user can act on.

    The cause names the value that was wrong; the remediation is an instruction. The message and
    whether a repeat helps come from the catalogue, so that they read the same everywhere.
    """

    def __init__(self, code: ErrorCode, *, cause: str, remediation: str) -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.remediation = remediation

    @property
    def message(self) -> str:
        """One sentence for the title of the failure."""
        return CATALOGUE[self.code].message

    @property
    def retry(self) -> Retry:
        """Whether to repeat, to fix something first, or to look before either."""
        return CATALOGUE[self.code].retry

    @override
    def __str__(self) -> str:
        return f"{self.message} {self.cause} {self.remediation}"


def first_error(group: BaseExceptionGroup[BaseException]) -> BboxError | None:
    """The first failure of ours in a group, as a task group raises them; None for a defect."""
    for error in group.exceptions:
        match error:
            case BboxError():
                return error
            case BaseExceptionGroup():
                found = first_error(error)
                if found is not None:
                    return found
            case _:
                pass
    return None
