# SPDX-License-Identifier: Apache-2.0
"""The errors of registries, and whether to ask once more."""

from bbox_server.domain.error import BboxError, ErrorCode


class TryAgainError(Exception):
    """Another try may help.

    Attributes:
        error: What it is in the end, if no try helps.
        wait_s: What the registry asks for; None leaves it to us.
    """

    def __init__(self, error: BboxError, *, wait_s: float | None = None) -> None:
        super().__init__(error.cause)
        self.error = error
        self.wait_s = wait_s


def unreachable(host: str, why: str) -> BboxError:
    """image.registry-unreachable."""
    return BboxError(
        ErrorCode.IMAGE_REGISTRY_UNREACHABLE,
        cause=f"{host}: {why}.",
        remediation="Check the network, and HTTPS_PROXY if there is a proxy; then start again. "
        "What was downloaded is kept.",
    )


def untrusted(host: str, why: str) -> BboxError:
    """image.registry-failed: its certificate is not one that this machine trusts."""
    return BboxError(
        ErrorCode.IMAGE_REGISTRY_FAILED,
        cause=f"{host} has a certificate that is not trusted here: {why}.",
        remediation="Name its authority in SSL_CERT_FILE, or say `insecure = true` for it in "
        "registries.conf.",
    )


def denied(host: str, name: str, status: int) -> BboxError:
    """image.registry-denied."""
    return BboxError(
        ErrorCode.IMAGE_REGISTRY_DENIED,
        cause=f"{host} does not let you pull {name} ({status}).",
        remediation=f"Log in: `docker login {host}` or `podman login {host}`. Some registries "
        "say the same of a name that they don't have: check it.",
    )


def absent(host: str, name: str) -> BboxError:
    """image.not-found."""
    return BboxError(
        ErrorCode.IMAGE_NOT_FOUND,
        cause=f"{host} has no {name}.",
        remediation="Check the name and the tag; a private one may need `docker login`.",
    )


def limited(host: str, wait_s: float | None) -> BboxError:
    """image.registry-limited."""
    wait = f", and asks to wait for {wait_s:.0f} s" if wait_s else ""
    return BboxError(
        ErrorCode.IMAGE_REGISTRY_LIMITED,
        cause=f"{host} answers no more requests from here for now (429){wait}.",
        remediation=f"Wait, or log in for a higher limit: `docker login {host}`. With "
        "--pull if-not-present an image that is here is used unasked.",
    )


def failed(host: str, why: str) -> BboxError:
    """image.registry-failed: it answers, and not as a registry does."""
    return BboxError(
        ErrorCode.IMAGE_REGISTRY_FAILED,
        cause=f"{host}: {why}.",
        remediation="Check that this is a registry and that it works; then start again.",
    )


def bad_login(where: str, why: str) -> BboxError:
    """image.login-failed: the registry's login can't be read on this machine."""
    return BboxError(
        ErrorCode.IMAGE_LOGIN_FAILED,
        cause=f"{where}: {why}.",
        remediation="Correct the file, or log in again with `docker login` or `podman login`.",
    )
