# SPDX-License-Identifier: Apache-2.0
"""`bbox network learn`: what a run in permissive reached, as rules for the next one in standard."""

from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.egress.event import Transport
from bbox_server.domain.egress.group import BUILT_IN_GROUPS, rules_of
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import GATEWAY_ADDRESS
from bbox_server.domain.egress.rule import HostRule, host_rule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.session import EventKind, SessionEvent, SessionId
from bbox_server.entrypoints.cli.config_place import config_file
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services

QUIC_PORT: Final = 443
OPEN_TO_ALL: Final = (
    "Learning: every public host can be reached in this run, and what the agent sees can be sent "
    "there"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedHosts:
    """What was reached.

    Attributes:
        needed: What the standard profile does not allow by itself.
        known: What it does.
        nameless: Addresses that no rule can name.
    """

    needed: tuple[HostRule, ...]
    known: tuple[HostRule, ...]
    nameless: tuple[str, ...]


def check_learning(values: Namespace) -> None:
    """Raises: cli.usage."""
    if values.egress_profile not in {None, EgressProfile.PERMISSIVE}:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"Nothing can be learned in {values.egress_profile}.",
            remediation="Leave out --egress-profile: `bbox network learn` runs in permissive.",
        )


def learned(events: Iterable[SessionEvent], standard: EgressPolicy) -> LearnedHosts:
    """What a session reached, each name once with all its ports."""
    ports: dict[str, list[int]] = {}
    nameless: dict[str, None] = {}
    for event in events:
        if event.kind is not EventKind.NETWORK_OPEN or _is_only_for_permissive(event):
            continue
        name, port = event.fields.get("host"), event.fields.get("port")
        if isinstance(name, str) and isinstance(port, int):
            ports.setdefault(name, []).append(port)
        elif event.fields.get("address") != GATEWAY_ADDRESS:
            nameless[f"{event.fields.get('address')}:{port}"] = None
    needed: list[HostRule] = []
    known: list[HostRule] = []
    for name, opened in sorted(ports.items()):
        for wanted, into in ((True, needed), (False, known)):
            some = {port for port in opened if _is_new(standard, name, port) is wanted}
            into.extend(_rule(name, some))
    return LearnedHosts(needed=tuple(needed), known=tuple(known), nameless=tuple(nameless))


def config_lines(found: LearnedHosts, session: SessionId) -> Iterator[str]:
    """The rules as a part of a config file."""
    yield f"# Reached in session {session}. Look at each name before you keep it: one that the"
    yield "# agent was talked into is here as well."
    for address in found.nameless:
        yield f"# {escape_text(address)} was reached without a name: in permissive alone."
    for rule in found.known:
        yield f"# In standard by itself: {rule}"
    yield "network:"
    yield "  allow_hosts:" if found.needed else "  allow_hosts: []"
    for rule in found.needed:
        ports = ", ".join(map(str, rule.open_ports))
        yield f'    - {{name: "{rule.name}", ports: [{ports}]}}'


def tell_learned(
    session: SessionId, values: Namespace, services: Services, console: Console
) -> None:
    """Show what a run reached, and keep it where the user wants that."""
    found = learned(services.logs.events(session), _standard(values, services))
    for line in config_lines(found, session):
        console.say(line)
    if not found.needed or not (values.keep or _wants(found, console)):
        return
    kept = services.kept(config_file(values, services))
    for rule in found.needed:
        kept.keep(rule)
    console.note(f"{len(found.needed)} hosts are in your config now.")


def _wants(found: LearnedHosts, console: Console) -> bool:
    if not console.interactive:
        return False
    answer = console.ask(
        f"Keep these {len(found.needed)} hosts in your config? [y]es / [n]o (no): "
    )
    return (answer or "").lower() in {"y", "yes"}


def _standard(values: Namespace, services: Services) -> EgressPolicy:
    """Without the package managers' hosts, which only the run itself finds."""
    own: tuple[HostRule, ...] = ()
    if values.agent is not None:
        agent = services.agents().get(values.agent)
        own = agent.egress_hosts.get(EgressProfile.STANDARD) or agent.locked_hosts(frozenset())
    return EgressPolicy(profile=EgressProfile.STANDARD, rules=(*own, *rules_of(BUILT_IN_GROUPS)))


def _is_new(standard: EgressPolicy, name: str, port: int) -> bool:
    return standard.decide(name, port).reason is not None


def _is_only_for_permissive(event: SessionEvent) -> bool:
    """UDP is; but what speaks QUIC falls back to TCP."""
    return event.fields.get("transport") == Transport.UDP and event.fields.get("port") != QUIC_PORT


def _rule(name: str, ports: set[int]) -> Iterator[HostRule]:
    # The name came from the guest: what is no name is in no config.
    if ports:
        try:
            yield host_rule(name, tuple(sorted(ports)))
        except BboxError:
            return
