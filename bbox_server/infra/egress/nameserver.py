# SPDX-License-Identifier: Apache-2.0
"""The guest's name server: made-up addresses for names."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.rule import is_host_name
from bbox_server.infra.egress.bucket import TokenBucket
from bbox_server.infra.egress.dial import Dialer
from bbox_server.infra.egress.dns import (
    NAME_ERROR,
    NO_ERROR,
    SERVER_FAILURE,
    TYPE_A,
    Question,
    build_answer,
    parse_query,
)
from bbox_server.infra.egress.names import NameTable
from bbox_server.infra.egress.packet import GATEWAY

_MAX_UPSTREAM: Final = 32
_RATE: Final = 100.0
_BURST: Final = 200.0
_TTL_S: Final = 60

Answer = Callable[[bytes], None]


class NameServer:
    """Answers queries; silent where there are too many.

    Only names that the policy knows cause a query upstream, so that a name can't carry data out.
    Other names with a dot get an address too: the connection to it shows the port, and can be
    allowed while it waits. Only A records exist: no texts, no ECH keys, no IPv6. The names of
    declared services are the gateway's.
    """

    def __init__(
        self, names: NameTable, dialer: Dialer, services: AbstractSet[str], group: asyncio.TaskGroup
    ) -> None:
        self._names = names
        self._dialer = dialer
        self._services = services
        self._group = group
        self._bucket = TokenBucket(_RATE, _BURST, asyncio.get_running_loop().time())
        self._upstream = 0

    def ask(self, message: bytes, policy: EgressPolicy, answer: Answer) -> None:
        """Answer a message, now or later, or not at all."""
        question = parse_query(message)
        if question is None or not self._bucket.take(asyncio.get_running_loop().time()):
            return
        if question.name in self._services:
            address = GATEWAY if question.type == TYPE_A else None
            answer(build_answer(question, NO_ERROR, address, _TTL_S))
            return
        known = is_host_name(question.name) and policy.knows(question.name)
        if not known or question.type != TYPE_A:
            answer(self._without_upstream(question, known=known))
        elif self._upstream < _MAX_UPSTREAM:
            self._upstream += 1
            self._group.create_task(self._resolve(question, answer))

    def _without_upstream(self, question: Question, *, known: bool) -> bytes:
        if known:
            return build_answer(question, NO_ERROR, None, _TTL_S)
        if "." not in question.name or not is_host_name(question.name):
            return build_answer(question, NAME_ERROR, None, _TTL_S)
        if question.type != TYPE_A:
            return build_answer(question, NO_ERROR, None, _TTL_S)
        return self._with_address(question, known=False)

    async def _resolve(self, question: Question, answer: Answer) -> None:
        try:
            resolution = await self._dialer.look_up(question.name)
        finally:
            self._upstream -= 1
        if resolution is None or resolution.addresses:
            answer(self._with_address(question, known=True))
        else:
            code = SERVER_FAILURE if resolution.is_temporary else NAME_ERROR
            answer(build_answer(question, code, None, _TTL_S))

    def _with_address(self, question: Question, *, known: bool) -> bytes:
        address = self._names.address(question.name, known=known)
        code = NO_ERROR if address is not None else SERVER_FAILURE
        return build_answer(question, code, address, _TTL_S)
