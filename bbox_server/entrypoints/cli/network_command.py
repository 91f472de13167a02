# SPDX-License-Identifier: Apache-2.0
"""`bbox network`: what the guest reached, and what it may reach from now on."""

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from bbox_server.domain.egress.question import Answer
from bbox_server.domain.egress.rule import HostRule, parse_host_rule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionRecord
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.network_view import NETWORK, log_lines
from bbox_server.entrypoints.cli.services import Services

HEX: Final = frozenset("0123456789abcdef")


async def network(values: Namespace, services: Services, console: Console) -> int:
    """Show or steer the network of a session."""
    session, hosts = _session_and_hosts(values)
    record = services.find(session, services.directory, done_too=values.action == "log")
    match values.action:
        case "log":
            _log(record, values, services, console)
        case "rules":
            await _rules(record, values, services, console)
        case _:
            rules = tuple(parse_host_rule(text) for text in hosts)
            await _answer(record, rules, _answer_of(values), services)
            for rule in rules:
                console.say(f"{rule}: {_said(_answer_of(values))}")
    return 0


def _session_and_hosts(values: Namespace) -> tuple[str | None, Sequence[str]]:
    """Both stand at the same place: what looks like an id is one, for no host has a bare one."""
    words: list[str] = values.words
    is_named = bool(words) and 4 <= len(words[0]) <= 8 and set(words[0]) <= HEX  # noqa: PLR2004 (an id has 8, its beginning 4 or more)
    session, hosts = (words[0], words[1:]) if is_named else (None, words)
    steers = values.action in {"allow", "deny"}
    if steers != bool(hosts) or (values.action != "allow" and (values.once or values.always)):
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"`bbox network {values.action}` takes "
            f"{'a session and at least one host' if steers else 'a session and no host'}; "
            "--once and --always belong to `allow`.",
            remediation="For instance: bbox network allow api.example.com:443 --always",
        )
    return session, hosts


def _log(record: SessionRecord, values: Namespace, services: Services, console: Console) -> None:
    events = services.logs.events(record.id)
    if values.json:
        for event in events:
            if event.kind in NETWORK:
                facts = {"seq": event.seq, "ts": event.at, "kind": event.kind.value, **event.fields}
                console.say(json.dumps(facts))
        return
    lines = tuple(log_lines(events))
    for line in lines or (f"Session {record.id} has not used the network.",):
        console.say(line)


async def _rules(
    record: SessionRecord, values: Namespace, services: Services, console: Console
) -> None:
    from bbox_server.entrypoints.cli.remote_review import ask
    from bbox_server.wire.network import NetworkRulesMessage
    from bbox_server.wire.review_request import SessionParams

    async with services.gateway().connect(record.id) as connection:
        params = SessionParams(session=record.id)
        found = await ask(connection, "bbox/network/rules", params, NetworkRulesMessage)
    if values.json:
        console.say(found.to_json(indent=2))
        return
    console.say(f"profile {found.profile}")
    for origin, rules in (("", found.rules), ("  added in this session", found.added)):
        for rule in rules:
            ports = ",".join(str(port) for port in rule.ports)
            console.say(f"  {rule.host}:{ports}{origin}")


def _answer_of(values: Namespace) -> Answer:
    if values.action == "deny":
        return Answer.DENY
    if values.always:
        return Answer.ALWAYS
    return Answer.ONCE if values.once else Answer.SESSION


async def _answer(
    record: SessionRecord, rules: tuple[HostRule, ...], answer: Answer, services: Services
) -> None:
    from bbox_server.entrypoints.cli.remote_review import ask
    from bbox_server.wire.network import NetworkAnswerParams
    from bbox_server.wire.run import Done

    async with services.gateway().connect(record.id) as connection:
        for rule in rules:
            for port in rule.open_ports:
                params = NetworkAnswerParams(
                    session=record.id, host=rule.name, port=port, answer=answer
                )
                await ask(connection, "bbox/network/answer", params, Done)


def _said(answer: Answer) -> str:
    match answer:
        case Answer.ONCE:
            return "allowed for a minute"
        case Answer.SESSION:
            return "allowed until the session ends"
        case Answer.ALWAYS:
            return "allowed, and kept in your config"
        case Answer.DENY:
            return "denied until the session ends"
