# SPDX-License-Identifier: Apache-2.0
"""Connections that wait for the user's word, from the guest's side."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bbox_server.domain.egress.event import BlockReason, EgressEventKind
from bbox_server.domain.egress.question import Question
from bbox_server.domain.egress.relay import HostOverride
from bbox_server.infra.egress.questions import HOLD_S, Questions, Standing
from tests.infra.egress.guest_stack import SYN, RefusedError, ethernet, ipv4, tcp
from tests.infra.egress.network import World, network, one_host, server

NAME = "new.test"
PORT = 7000
QUESTION = Question(host=NAME, port=PORT)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def upstream() -> AsyncIterator[int]:
    async with server() as port:
        yield port


def unknown(port: int) -> World:
    return World(overrides=(HostOverride(name=NAME, address="127.0.0.1", port=port),), can_ask=True)


async def test_a_held_connection_goes_on_when_the_user_allows_it(upstream: int) -> None:
    async with network(unknown(upstream)) as net:
        connection = net.guest.open((await net.guest.resolve(NAME)).address, PORT)
        await net.guest.flushed()
        asked = await net.told(EgressEventKind.ASK)
        assert (asked.host, asked.port) == (NAME, PORT)
        assert connection.flags == []
        net.link.update(one_host(NAME, upstream).policy)
        await connection.until("is_open")
        await connection.send(b"ping")
        assert await connection.receive(4) == b"ping"
        assert net.blocked() == []


async def test_a_denied_connection_is_refused_and_so_is_the_next(upstream: int) -> None:
    async with network(unknown(upstream)) as net:
        connection = net.guest.open((await net.guest.resolve(NAME)).address, PORT)
        await net.guest.flushed()
        await net.told(EgressEventKind.ASK)
        net.questions.deny(QUESTION)
        with pytest.raises(RefusedError):
            await connection.until("is_open")
        assert await net.reasons() == [BlockReason.DENIED_BY_USER]
        with pytest.raises(RefusedError):
            await net.guest.connect_name(NAME, PORT)


async def test_what_the_user_allows_still_may_not_lead_to_the_host(upstream: int) -> None:
    async with network(unknown(upstream)) as net:
        net.questions.allow_once(QUESTION)
        with pytest.raises(RefusedError):
            await net.guest.connect_name(NAME, PORT)
        assert await net.reasons() == [BlockReason.RESOLVES_TO_PRIVATE]


async def test_nothing_waits_once_nobody_can_answer(upstream: int) -> None:
    async with network(unknown(upstream)) as net:
        connection = net.guest.open((await net.guest.resolve(NAME)).address, PORT)
        await net.guest.flushed()
        await net.told(EgressEventKind.ASK)
        net.questions.let_ask(can_ask=False)
        with pytest.raises(RefusedError):
            await connection.until("is_open")
        assert await net.reasons() == [BlockReason.HOST_NOT_IN_PROFILE]


async def test_a_guest_that_gives_up_is_not_dialled_for(upstream: int) -> None:
    async with network(unknown(upstream)) as net:
        connection = net.guest.open((await net.guest.resolve(NAME)).address, PORT)
        await net.guest.flushed()
        await net.told(EgressEventKind.ASK)
        connection.reset()
        await net.guest.flushed()
        net.link.update(one_host(NAME, upstream).policy)
        other = await net.guest.connect_name(NAME, PORT)
        assert other.is_open
        opened = [event for event in net.events if event.kind is EgressEventKind.OPEN]
        assert len(opened) == 1


async def test_a_repeated_syn_is_one_question(upstream: int) -> None:
    async with network(unknown(upstream)) as net:
        address = (await net.guest.resolve(NAME)).address
        connection = net.guest.open(address, PORT)
        for _ in range(5):
            body = tcp((connection.port, PORT), (1000, 0), SYN)
            net.guest.send(ethernet(ipv4(address, 6, body)))
        await net.guest.flushed()
        net.guest.open(address, PORT)
        await net.guest.resolve(NAME)
        asked = [event for event in net.events if event.kind is EgressEventKind.ASK]
        assert len(asked) == 1


async def test_many_unknown_names_are_few_questions() -> None:
    async with network(World(can_ask=True)) as net:
        for number in range(40):
            answer = await net.guest.resolve(f"n{number}.test")
            net.guest.open(answer.address, PORT)
        await net.guest.flushed()
        assert len(await net.reasons(24)) == 24
        asked = [event for event in net.events if event.kind is EgressEventKind.ASK]
        assert len(asked) == 16


async def test_a_flood_of_one_unknown_name_holds_few_connections() -> None:
    async with network(World(can_ask=True)) as net:
        address = (await net.guest.resolve(NAME)).address
        connections = [net.guest.open(address, PORT) for _ in range(100)]
        await net.guest.flushed()
        await net.guest.resolve(NAME)
        assert sum(connection.is_reset for connection in connections) == 100 - 64


async def test_nobody_is_asked_while_nobody_can_answer() -> None:
    questions = Questions(Clock())
    assert questions.stand(QUESTION) is Standing.UNASKED


async def test_a_question_is_asked_once() -> None:
    questions = Questions(Clock())
    questions.let_ask(can_ask=True)
    asked: list[Question] = []
    for _ in range(2):
        answer = questions.begin(QUESTION, lambda: asked.append(QUESTION))
        assert not answer.done()
    assert asked == [QUESTION]
    questions.allow_by(lambda _: True)
    assert questions.stand(QUESTION) is Standing.UNASKED


async def test_a_question_that_nobody_saw_is_asked_again() -> None:
    questions = Questions(Clock())
    questions.let_ask(can_ask=True)
    unseen = questions.begin(QUESTION, lambda: None)
    questions.let_ask(can_ask=False)
    assert not await unseen
    questions.let_ask(can_ask=True)
    assert questions.stand(QUESTION) is Standing.HELD


async def test_once_is_a_minute() -> None:
    clock = Clock()
    questions = Questions(clock)
    questions.allow_once(QUESTION)
    clock.now += 59
    assert questions.stand(QUESTION) is Standing.LET_IN
    clock.now += 2
    assert questions.stand(QUESTION) is Standing.UNASKED


async def test_the_last_word_counts() -> None:
    questions = Questions(Clock())
    questions.deny(QUESTION)
    questions.allow_once(QUESTION)
    assert questions.stand(QUESTION) is Standing.LET_IN
    questions.deny(QUESTION)
    assert questions.stand(QUESTION) is Standing.DENIED


async def test_all_that_wait_for_one_answer_get_it() -> None:
    questions = Questions(Clock())
    questions.let_ask(can_ask=True)
    answer = questions.begin(QUESTION, lambda: None)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(questions.wait(QUESTION, answer)) for _ in range(3)]
        questions.allow_once(QUESTION)
    assert [task.result() for task in waiting] == [True, True, True]


def test_programs_see_a_slow_connection_and_no_timeout() -> None:
    assert 20 <= HOLD_S <= 30
