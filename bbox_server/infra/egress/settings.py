# SPDX-License-Identifier: Apache-2.0
"""What the session host tells the relay: JSON lines on its standard input."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.proxy import UpstreamProxy
from bbox_server.domain.egress.question import Question
from bbox_server.domain.egress.relay import HostOverride, RelaySpec
from bbox_server.domain.egress.rule import HostRule

GUEST_MTU: Final = 65_520
"""QEMU's `host_mtu`: 2.7 to 4 Gbit/s, and 1 Gbit/s with 1500 (egress.md)."""

Json = Mapping[str, object]


class SettingsError(Exception):
    """A line that the relay can't use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """What a relay is started with.

    Attributes:
        services: By gateway port: a Unix socket, or a port of the host's loopback address.
        service_names: Names that are the gateway's.
        forwards: Ports of the guest by the descriptors of sockets that listen.
        user: Numbers of the user and group to become; None stays who it is.
    """

    socket: str
    policy: EgressPolicy
    services: Mapping[int, str | int]
    service_names: frozenset[str]
    forwards: Mapping[int, int]
    overrides: tuple[HostOverride, ...]
    proxy: UpstreamProxy | None
    mtu: int
    user: tuple[int, int] | None


def encode_settings(
    spec: RelaySpec, user: tuple[int, int] | None, listening: Sequence[int] = ()
) -> bytes:
    """The first line; `listening` are the descriptors of the forwards, in their order."""
    overrides = [
        {"name": override.name, "address": override.address, "port": override.port}
        for override in spec.overrides
    ]
    return _line(
        {
            "socket": spec.socket,
            "policy": _encode_policy(spec.policy),
            "services": {
                **{str(service.port): service.socket for service in spec.services},
                **{str(service.port): service.port for service in spec.host_services},
            },
            "service_names": [service.host_name for service in spec.host_services],
            "forwards": [
                {"fd": fd, "port": forward.guest_port}
                for fd, forward in zip(listening, spec.forwards, strict=True)
            ],
            "overrides": overrides,
            "proxy": _encode_proxy(spec.proxy),
            "mtu": GUEST_MTU,
            "user": user,
        }
    )


def encode_update(policy: EgressPolicy) -> bytes:
    """A later line: use another policy."""
    return _line({"policy": _encode_policy(policy)})


def decode_settings(line: bytes) -> RelaySettings:
    """Read the first line.

    Raises:
        SettingsError: It is not what `encode_settings` writes.
    """
    values = _object(line)
    services = _mapping(values, "services")
    return RelaySettings(
        socket=_text(values, "socket"),
        policy=_decode_policy(_mapping(values, "policy")),
        services={int(port): _service(services, port) for port in services},
        service_names=frozenset(_texts(values, "service_names")),
        forwards={
            _number(entry, "fd"): _number(entry, "port") for entry in _list(values, "forwards")
        },
        proxy=_decode_proxy(values),
        overrides=tuple(_decode_override(entry) for entry in _list(values, "overrides")),
        mtu=_number(values, "mtu"),
        user=_decode_user(values.get("user")),
    )


def decode_update(line: bytes) -> EgressPolicy:
    """Read a later line.

    Raises:
        SettingsError: It is not what `encode_update` writes.
    """
    return _decode_policy(_mapping(_object(line), "policy"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """A later line: whether someone can answer questions."""

    can_ask: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A later line: what the user said of one name and port, for now."""

    question: Question
    is_allowed: bool


def encode_attendance(*, can_ask: bool) -> bytes:
    """A later line: someone can answer, or nobody can any more."""
    return _line({"can_ask": can_ask})


def encode_word(word: Word) -> bytes:
    """A later line: let in for now, or refuse."""
    question = word.question
    return _line({"host": question.host, "port": question.port, "allow": word.is_allowed})


def decode_order(line: bytes) -> EgressPolicy | Attendance | Word:
    """Read any later line.

    Raises:
        SettingsError: It is none that is written here.
    """
    values = _object(line)
    if "policy" in values:
        return decode_update(line)
    if "can_ask" in values:
        return Attendance(can_ask=values["can_ask"] is True)
    question = Question(host=_text(values, "host"), port=_number(values, "port"))
    return Word(question=question, is_allowed=values.get("allow") is True)


def _line(values: Json) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _encode_policy(policy: EgressPolicy) -> Json:
    rules = [
        {"name": rule.name, "ports": list(rule.ports), "allow_private": rule.allow_private}
        for rule in policy.rules
    ]
    return {"profile": policy.profile.value, "rules": rules}


def _decode_policy(values: Json) -> EgressPolicy:
    try:
        profile = EgressProfile(_text(values, "profile"))
    except ValueError as error:
        raise SettingsError("profile") from error
    return EgressPolicy(
        profile=profile,
        rules=tuple(_decode_rule(entry) for entry in _list(values, "rules")),
    )


def _decode_rule(values: Json) -> HostRule:
    ports = values.get("ports")
    if not isinstance(ports, list) or not all(isinstance(port, int) for port in ports):
        raise SettingsError("ports")
    return HostRule(
        name=_text(values, "name"),
        ports=tuple(ports),
        allow_private=values.get("allow_private") is True,
    )


def _decode_override(values: Json) -> HostOverride:
    port = None if values.get("port") is None else _number(values, "port")
    return HostOverride(name=_text(values, "name"), address=_text(values, "address"), port=port)


def _encode_proxy(proxy: UpstreamProxy | None) -> Json | None:
    if proxy is None:
        return None
    return {
        "host": proxy.host,
        "port": proxy.port,
        "authorization": proxy.authorization,
        "exceptions": list(proxy.exceptions),
    }


def _decode_proxy(values: Json) -> UpstreamProxy | None:
    if "proxy" in values and values["proxy"] is None:
        return None
    proxy = _mapping(values, "proxy")
    return UpstreamProxy(
        host=_text(proxy, "host"),
        port=_number(proxy, "port"),
        authorization=_text(proxy, "authorization"),
        exceptions=_texts(proxy, "exceptions"),
    )


def _decode_user(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, list) and [type(number) for number in value] == [int, int]:
        return (value[0], value[1])
    raise SettingsError("user")


def _object(line: bytes) -> Json:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise SettingsError("no JSON") from error
    if not isinstance(values, dict):
        raise SettingsError("no object")
    return values


def _mapping(values: Json, key: str) -> Json:
    value = values.get(key)
    if not isinstance(value, dict):
        raise SettingsError(key)
    return value


def _list(values: Json, key: str) -> list[Json]:
    value = values.get(key)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SettingsError(key)
    return value


def _texts(values: Json, key: str) -> tuple[str, ...]:
    value = values.get(key)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise SettingsError(key)
    return tuple(value)


def _service(values: Json, key: str) -> str | int:
    value = values.get(key)
    return value if isinstance(value, int) else _text(values, key)


def _text(values: Json, key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise SettingsError(key)
    return value


def _number(values: Json, key: str) -> int:
    value = values.get(key)
    if not isinstance(value, int):
        raise SettingsError(key)
    return value
