"""The claude brain in the real agent loop: real tools, policy, journal and verification, a scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.agent import claude_bench
from tests.agent.claude_bench import brain
from tests.agent.conftest import World
from tests.agent.messages_incident import incident
from tests.agent.messages_script import Answer, Reply, ToolUse, encode
from tests.agent.messages_server import MessagesServer, Request
from tests.agent.test_executor import make_slow
from tests.agent.test_work import ticks_while

no_anthropic_environment = claude_bench.no_anthropic_environment


@pytest.fixture
async def serving(world: World) -> AsyncIterator[World]:
    """A world in which something answers 200 to the probe."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    await world.observe(port=server.sockets[0].getsockname()[1])
    await world.ledger.set_mode("autonomous", "test")
    await world.tick(rate_limiter_latency="violated")
    yield world
    server.close()
    await server.wait_closed()


async def test_a_latency_ticket_goes_from_look_to_verified_fix(serving: World) -> None:
    make_slow(serving)
    ticket = await serving.ticket()
    async with MessagesServer(incident()) as double, brain(double.url) as mind:
        outcome = await ticks_while(serving, asyncio.create_task(serving.work(ticket, mind).run()))
    assert double.refused == []
    assert outcome == "fixed"
    assert json.loads(serving.config.read_text())["delay_ms"] == 0
    kinds = [entry.kind for entry in await serving.ledger.journal(ticket.id)]
    assert kinds.count("turn") == len(double.requests) >= 4


async def test_a_persons_ticket_ends_as_a_verified_commit(serving: World) -> None:
    ticket = await serving.ticket(
        source="human",
        fingerprint="human/1",
        objective="raise the default capacity to 200",
        criteria=("config.capacity == 200",),
    )
    async with MessagesServer(incident()) as double, brain(double.url) as mind:
        outcome = await ticks_while(serving, asyncio.create_task(serving.work(ticket, mind).run()))
    assert outcome == "fixed"
    assert json.loads(serving.config.read_text())["capacity"] == 200
    assert serving.commits()[0]["ticket"] == str(ticket.id)


async def test_a_stream_cut_in_the_middle_of_a_change_changes_nothing_and_the_work_goes_on(serving: World) -> None:
    make_slow(serving)
    ticket = await serving.ticket()
    whole, cuts = incident(), [0]

    def script(request: Request) -> Answer:
        reply = whole(request)
        changes = any(isinstance(block, ToolUse) and block.name == "update_config" for block in reply.blocks)
        if changes and not cuts[0]:
            cuts[0] += 1
            head = len(b"".join(encode(reply, model="claude-test-1", number=request.number)[:-3]))
            return Reply(reply.blocks, piece=reply.piece, cut=head)
        return reply

    before = len(serving.commits())
    async with MessagesServer(script) as double, brain(double.url) as mind:
        outcome = await ticks_while(serving, asyncio.create_task(serving.work(ticket, mind).run()))
    assert cuts == [1]
    assert outcome == "fixed"
    assert len(serving.commits()) == before + 1
