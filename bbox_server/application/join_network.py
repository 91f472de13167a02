# SPDX-License-Identifier: Apache-2.0
"""What of this host is joined to the guest's network: services, forwarded ports, the way out."""

from bbox_server.application.configure_run import ConfiguredRun
from bbox_server.domain.egress.proxy import UpstreamProxy, find_proxy
from bbox_server.domain.error import BboxError
from bbox_server.domain.hostservice import check_services
from bbox_server.domain.launch import NetworkWays
from bbox_server.domain.progress import ProgressObserver


def join_network(run: ConfiguredRun, progress: ProgressObserver) -> NetworkWays:
    """What the request and the user's config ask for.

    Raises:
        BboxError: egress.invalid-rule, for two services with one name or port.
    """
    services = tuple(dict.fromkeys((*(run.config.network.services or ()), *run.request.services)))
    check_services(services)
    return NetworkWays(
        services=services, forwards=run.request.forwards, proxy=_proxy(run, progress)
    )


def tell_ways(ways: NetworkWays, progress: ProgressObserver) -> None:
    """Say what of this host the guest reaches, and what of the guest this host does."""
    if ways.proxy is not None:
        progress.noted(f"Network: by the proxy {ways.proxy.host}:{ways.proxy.port}")
    for service in ways.services:
        progress.noted(
            f"Service {service.name}: port {service.port} of this host is "
            f"{service.url} in the guest"
        )
    for forward in ways.forwards:
        progress.noted(
            f"Port {forward.guest_port} of the guest is "
            f"http://127.0.0.1:{forward.host_port} on this host"
        )


def _proxy(run: ConfiguredRun, progress: ProgressObserver) -> UpstreamProxy | None:
    try:
        return find_proxy(run.config.network.proxy, run.request.environ)
    except BboxError as error:
        # The config's was checked with the file: this one is the environment's, for all programs.
        progress.warned(f"{error.cause} The guest's connections go out directly.")
        return None
