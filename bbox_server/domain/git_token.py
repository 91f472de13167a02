# SPDX-License-Identifier: Apache-2.0
"""The user's GitHub token: for which repositories it is served, and how the guest's git uses it.

The token stays on the host (ADR 0133). The guest's git is told that a remote of the workspace is to
be found at the credential proxy, which knows that repository and no other.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Final

from bbox_server.domain.credential import (
    ApiKey,
    KeyHeader,
    PlaceholderToken,
    ProviderId,
    ProviderRoute,
    ServedRoute,
)
from bbox_server.domain.environment import GIT_TOKEN_NAMES
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git import Setting, without_credentials
from bbox_server.domain.secret import Secret

PROVIDER_PREFIX: Final = "github:"
USER: Final = "x-access-token"
_HOST: Final = "https://github.com/"
_STARTS: Final = (_HOST, "git@github.com:", "ssh://git@github.com/")
_MOUNT: Final = "/git/"
_BASIC: Final = KeyHeader(name="Authorization", prefix="Basic ")

# The ways to write a repository of github.com; a port or another host is another server.
_REPOSITORY: Final = re.compile(
    r"(?:https://(?:[^/@\s]*@)?github\.com/|ssh://git@github\.com/|git@github\.com:)"
    r"(?P<owner>[A-Za-z0-9-]{1,39})/(?P<name>[A-Za-z0-9._-]{1,100}?)(?:\.git)?/?"
)
_DOTS: Final = frozenset({".", ".."})


def github_repositories(remotes: Iterable[str]) -> tuple[str, ...]:
    """`OWNER/NAME` of each remote that is at github.com, once."""
    found = (_REPOSITORY.fullmatch(remote.strip()) for remote in remotes)
    return tuple(
        dict.fromkeys(
            f"{one['owner']}/{one['name']}" for one in found if one and one["name"] not in _DOTS
        )
    )


def git_routes(remotes: Iterable[str], environ: Mapping[str, str]) -> tuple[ServedRoute, ...]:
    """What the credential proxy serves: one route for each repository (compat GIT-11).

    Raises: credential.missing where the user asks for the token and there is none, or nothing
    that it could be used for.
    """
    token = _token(environ)
    repositories = github_repositories(remotes)
    if not repositories:
        raise BboxError(
            ErrorCode.CREDENTIAL_MISSING,
            cause="No remote of this workspace is at github.com: the token has no use.",
            remediation="Leave --git-token out, or add a remote: `git remote add origin …`.",
        )
    # Basic, because that is what git's own smart protocol is answered on.
    key = Secret(value=b64encode(f"{USER}:{token}".encode()).decode())
    return tuple(ServedRoute(route=_route(name), key=key) for name in repositories)


def git_settings(
    remotes: Iterable[str], placeholder: PlaceholderToken, gateway: str
) -> tuple[Setting, ...]:
    """Lines for the guest's ~/.gitconfig that lead git to the proxy.

    Args:
        remotes: What `git_routes` was given.
        placeholder: Stands for the token.
        gateway: The proxy's address in the guest, without a slash at its end.
    """
    written = {without_credentials(remote.strip()).rstrip("/") for remote in remotes}
    settings: list[Setting] = []
    for repository in github_repositories(written):
        base = f"{gateway}{_mount(repository)}"
        # A rewrite takes every URL that begins so: without `.git` only where a remote is written
        # that way, or it would take repositories whose names begin like this one's, too.
        starts = [f"{start}{repository}.git" for start in _STARTS]
        starts += (f"{start}{repository}" for start in _STARTS if start + repository in written)
        settings += (
            Setting(section="url", subsection=base, key="insteadOf", value=start)
            for start in starts
        )
        header = f"Authorization: Bearer {placeholder}"
        settings.append(Setting(section="http", subsection=base, key="extraHeader", value=header))
    return tuple(settings)


def _mount(repository: str) -> str:
    return f"{_MOUNT}{repository}.git"


def _route(repository: str) -> ProviderRoute:
    return ProviderRoute(
        provider=ProviderId(f"{PROVIDER_PREFIX}{repository}"),
        mount=_mount(repository),
        upstream=f"{_HOST}{repository}.git",
        upstream_variable="",
        credential=ApiKey(header=_BASIC, environment_names=GIT_TOKEN_NAMES),
    )


def _token(environ: Mapping[str, str]) -> str:
    for name in GIT_TOKEN_NAMES:
        value = environ.get(name, "").strip()
        if value.isascii() and value.isprintable() and value and " " not in value:
            return value
    raise BboxError(
        ErrorCode.CREDENTIAL_MISSING,
        cause=f"Neither {' nor '.join(GIT_TOKEN_NAMES)} is set to a token.",
        remediation="Run `export GITHUB_TOKEN=…` in this shell and start again; the token stays "
        "on this host. Or leave --git-token out.",
    )
