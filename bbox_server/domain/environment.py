# SPDX-License-Identifier: Apache-2.0
"""The guest's environment: what is forwarded from the user's, and what bbox sets (compat ENV)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_line
from bbox_server.domain.fields import names_secret

NODE_OPTIONS: Final = "NODE_OPTIONS"

GIT_IDENTITY_NAMES: Final = (
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
)
"""Who commits: forwarded whether a token is or not (P-23)."""

GIT_TOKEN_NAMES: Final = ("GITHUB_TOKEN", "GH_TOKEN")
"""Forwarded only when the user lets them; no pattern brings them in otherwise (P-23)."""

OWN_PREFIX: Final = "BBOX_"
"""Only bbox sets such variables in a guest: what they say is true (AGT-12)."""

VALUE_LIMIT_BYTES: Final = 128 * 1024
"""Linux's MAX_ARG_STRLEN: no program can be started with a longer one."""

_SHELL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate_patterns(patterns: Iterable[str]) -> None:
    """Check patterns that a user wrote (ENV-02).

    Raises:
        BboxError: environment.invalid-pattern, for the first that is wrong.
    """
    for pattern in patterns:
        reason = _fault(pattern)
        if reason is not None:
            raise BboxError(
                ErrorCode.ENVIRONMENT_INVALID_PATTERN,
                cause=f"{pattern[:80]!r}: {reason}.",
                remediation="Write a variable's name, or the beginning of names and one `*`.",
            )


def _fault(pattern: str) -> str | None:
    plain = pattern.strip()
    if not plain:
        return "empty pattern"
    if plain == "*":
        return "bare star, which would forward everything"
    if plain.startswith("*"):
        return "leading star"
    return None


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern names a variable: exactly, or by a prefix and one star (ENV-01, ENV-03)."""
    if not pattern.strip() or pattern.strip() == "*":
        return False
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern


def forwarded(patterns: Sequence[str], entries: Iterable[str]) -> dict[str, str]:
    """The variables of an environment that patterns name.

    Args:
        patterns: As the user or an agent gave them.
        entries: `NAME=value`; without an equals sign they are skipped, the last of a name counts.
    """
    found: dict[str, str] = {}
    for entry in entries:
        name, has_value, value = entry.partition("=")
        if has_value and any(matches(pattern, name) for pattern in patterns):
            found[name] = value
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedVariables:
    """What is carried of an environment.

    Attributes:
        held_back: Names that a pattern matches and that stay here all the same, and why.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    held_back: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What is carried, sorted."""
        return tuple(sorted(self.values))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of those that hold a credential, as far as a name tells."""
        return tuple(name for name in self.names if _holds_secret(name))


def carry(
    patterns: Sequence[str], environ: Mapping[str, str], never: Mapping[str, str]
) -> ForwardedVariables:
    """The variables that patterns name, without those that can't or mustn't be carried.

    Args:
        patterns: As the user or an agent gave them.
        environ: The host's.
        never: Names that no pattern brings in, and why (P-23).
    """
    found = forwarded(patterns, (f"{name}={value}" for name, value in environ.items()))
    held_back = {}
    for name, value in sorted(found.items()):
        reason = never.get(name) or _uncarried(name, value)
        if reason:
            held_back[escape_line(name)] = reason
            del found[name]
    return ForwardedVariables(values=found, held_back=held_back)


def _uncarried(name: str, value: str) -> str:
    if name.startswith(OWN_PREFIX):
        return f"{OWN_PREFIX}* are set by bbox alone"
    if not _SHELL_NAME.fullmatch(name):
        return "it is no name that a shell takes"
    if len(name) + len(value.encode("utf-8", "surrogateescape")) + 2 > VALUE_LIMIT_BYTES:
        return f"it is longer than {VALUE_LIMIT_BYTES} bytes"
    return ""


def _holds_secret(name: str) -> bool:
    return names_secret(name) or name.endswith(("_KEY", "_KEY_ID", "_PAT", "_CREDENTIALS", "_AUTH"))


def missing_names(required: Iterable[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What is not set; an empty value counts as set (AGT-13)."""
    return tuple(name for name in required if name not in environ)


def merged_patterns(base: Sequence[str], extra: Sequence[str]) -> tuple[str, ...]:
    """Both, each once, the base first (ENV-07)."""
    return tuple(dict.fromkeys((*base, *extra)))


def intersected(allowed: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted patterns that let nothing in that the allowed ones don't (CFG-35)."""
    plain = [pattern.strip() for pattern in wanted]
    return tuple(
        pattern for pattern in plain if any(_covers(wider.strip(), pattern) for wider in allowed)
    )


def effective_patterns(
    built_in: Sequence[str], user: Sequence[str] | None, workspace: Sequence[str] | None
) -> tuple[str, ...]:
    """What a run forwards: the user's list stands for the agent's, a workspace only narrows it.

    None is "not set"; an empty list is "nothing" (P-24).
    """
    patterns = tuple(built_in if user is None else user)
    return patterns if workspace is None else intersected(patterns, workspace)


def _covers(wider: str, narrower: str) -> bool:
    if _fault(wider) is not None or _fault(narrower) is not None:
        return False
    if not wider.endswith("*"):
        return wider == narrower
    return narrower.removesuffix("*").startswith(wider[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the guest may know of its run (AGT-12).

    Attributes:
        workspace: Where the workspace is in the guest; the host's path is the user's own (P-59).
        mcp_url: Empty without a proxy.
    """

    agent: str
    workspace: str
    home: str
    session: str
    has_git_token: bool = False
    has_ssh_agent: bool = False
    mcp_url: str = ""
    mcp_profile: str = "full-access"


def universal(facts: RunFacts) -> dict[str, str]:
    """The variables that every agent finds, whatever is forwarded."""
    env = {
        "BBOX_AGENT_NAME": facts.agent,
        "BBOX_WORKSPACE": facts.workspace,
        "BBOX_HOME": facts.home,
        "BBOX_SESSION_ID": facts.session,
        "BBOX_GIT_TOKEN_AVAILABLE": str(int(facts.has_git_token)),
        "BBOX_SSH_AGENT_AVAILABLE": str(int(facts.has_ssh_agent)),
    }
    if facts.mcp_url:
        env["BBOX_MCP_URL"] = facts.mcp_url
        env["BBOX_MCP_AUTHZ_PROFILE"] = facts.mcp_profile
    return env


def assembled(
    *,
    defaults: Mapping[str, str],
    shares: Mapping[str, str],
    forwarded_variables: Mapping[str, str],
    authoritative: Mapping[str, str],
) -> dict[str, str]:
    """All of a guest's environment, later ones before earlier ones (ENV-05).

    What can't be a variable of a shell is left out (P-58), and a NODE_OPTIONS of the user's adds
    to the memory cap instead of taking it away: node lets the last option of a name win. Of
    bbox's own names there are only the authoritative ones.
    """
    env = {**defaults, **shares}
    for name, value in forwarded_variables.items():
        if _SHELL_NAME.fullmatch(name):
            is_added = name == NODE_OPTIONS and name in shares
            env[name] = f"{shares[name]} {value}".rstrip() if is_added else value
    foreign = {name: value for name, value in env.items() if not name.startswith(OWN_PREFIX)}
    return {**foreign, **authoritative}


def shell_quoted(value: str) -> str:
    """A value as one word of a POSIX shell (ENV-08)."""
    return "'" + value.replace("'", "'\\''") + "'"
