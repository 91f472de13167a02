# SPDX-License-Identifier: Apache-2.0
"""Whom the proxy trusts and how it gets out: as the user's own programs on this host would."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # not in typeshed

from bbox_server.domain.credential import is_loopback

PASSED_ENVIRONMENT: Final = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "CODEX_CA_CERTIFICATE",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
)
"""All that the proxy's process sees of the user's environment."""

_PROXY: Final = "_proxy"

_ADDED_BUNDLES: Final = ("NODE_EXTRA_CA_CERTS", "CODEX_CA_CERTIFICATE")

# Where the distributions keep their bundle, for a Python whose OpenSSL was built elsewhere.
_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def passed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the user's environment that the proxy's process gets."""
    return {name: environ[name] for name in PASSED_ENVIRONMENT if environ.get(name)}


def client_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Verifies providers. OpenSSL itself honours SSL_CERT_FILE and SSL_CERT_DIR."""
    context = ssl.create_default_context()
    for bundle in (*_fallback_bundles(), *(environ[n] for n in _ADDED_BUNDLES if n in environ)):
        context.load_verify_locations(cafile=bundle)
    return context


def _fallback_bundles() -> tuple[str, ...]:
    paths = ssl.get_default_verify_paths()
    own: tuple[str | None, ...] = (paths.cafile, paths.capath)
    return () if any(own) else tuple(b for b in _SYSTEM_BUNDLES if Path(b).is_file())[:1]


def outer_proxy(upstream: str, environ: Mapping[str, str]) -> str | None:
    """The HTTP proxy that the user's environment names for an upstream, or None."""
    parts = urlsplit(upstream)
    host = parts.hostname or ""
    # As urllib reads them; where both are set, the name in small letters counts.
    names = sorted(name for name in environ if name.lower().endswith(_PROXY) and environ[name])
    proxies = {name.lower().removesuffix(_PROXY): environ[name] for name in names}
    if is_loopback(host) or proxy_bypass_environment(host, proxies):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")
