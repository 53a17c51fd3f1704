"""From a call to its outcome, on a real ledger and a real git repository."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from agent.approvals import Gate
from agent.brains.brain import ToolCall
from agent.executor import RECOVERED, Stopped
from monitor.events import Event
from monitor.ledger import AlreadyDecided
from tests.agent.conftest import World

SLOW = ToolCall("c1", "update_config", {"set": {"delay_ms": 0}, "why": "Remove the delay"})


def make_slow(world: World) -> None:
    values = json.loads(world.config.read_text())
    world.config.write_text(json.dumps({**values, "delay_ms": 500}, indent=2) + "\n")


async def test_autonomous_change_is_one_commit_with_trailers_and_an_intent_before_it(world: World) -> None:
    make_slow(world)
    await world.ledger.set_mode("autonomous", "test")
    ticket = await world.ticket()
    outcome = await world.executor().execute(ticket, SLOW, 1, "why")
    assert outcome.status == "ok"
    assert json.loads(world.config.read_text())["delay_ms"] == 0
    assert world.commits()[0]["action"] == f"{ticket.id}.1.c1"
    assert world.commits()[0]["ticket"] == str(ticket.id)
    kinds = [entry.kind for entry in await world.ledger.journal(ticket.id)]
    assert kinds[-2:] == ["intent", "result"]
    assert world.effects == ["ratelimiter"]


async def test_supervised_change_waits_and_runs_when_approved(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "it is slow"))
    approval = await world.pending()
    assert json.loads(world.config.read_text())["delay_ms"] == 500

    async def awaiting() -> bool:
        return (await world.ledger.ticket(ticket.id)).status == "awaiting_approval"

    assert await world.reaches(awaiting)
    assert approval.target == "ratelimiter: service_config.json"
    assert '-  "delay_ms": 500,' in approval.diff
    assert approval.why == "it is slow"
    await world.ledger.decide(approval.id, "approved", by="tester")
    outcome = await task
    assert outcome.status == "ok"
    assert json.loads(world.config.read_text())["delay_ms"] == 0
    assert (await world.ledger.approval(approval.id)).consumed_at is not None
    with pytest.raises(AlreadyDecided):
        await world.ledger.decide(approval.id, "rejected", by="late", reason="no")


async def test_a_rejection_changes_nothing_and_its_reason_reaches_the_brain(world: World) -> None:
    make_slow(world)
    before, head = world.config.read_text(), world.commits()[0]["sha"]
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    await world.ledger.decide(approval.id, "rejected", by="tester", reason="we measure something")
    outcome = await task
    assert outcome.status == "rejected"
    assert "we measure something" in outcome.text
    assert (world.config.read_text(), world.commits()[0]["sha"]) == (before, head)
    assert "intent" not in [entry.kind for entry in await world.ledger.journal(ticket.id)]


async def test_an_approval_left_alone_expires_and_never_runs(world: World) -> None:
    make_slow(world)
    before = world.config.read_text()
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor(ttl=60).execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    world.clock.now += 61
    outcome = await task
    assert outcome.status == "timed_out"
    assert world.config.read_text() == before
    with pytest.raises(AlreadyDecided):
        await world.ledger.decide(approval.id, "approved", by="late")


async def test_an_approval_is_withdrawn_when_the_service_recovers(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    await world.tick(rate_limiter_latency="violated")
    assert (await world.ledger.approval(approval.id)).status == "pending"
    await world.tick()
    outcome = await task
    assert outcome.status == "withdrawn"
    assert RECOVERED in outcome.text
    assert json.loads(world.config.read_text())["delay_ms"] == 500


async def test_a_persons_ticket_is_not_withdrawn_because_the_service_is_well(world: World) -> None:
    ticket = await world.ticket(source="human", fingerprint="human/x", criteria=("rate_limiter_healthy",))
    call = ToolCall("c1", "update_config", {"set": {"capacity": 200}})
    task = asyncio.create_task(world.executor().execute(ticket, call, 1, "why"))
    approval = await world.pending()
    await world.tick()
    await world.tick()
    await world.ledger.decide(approval.id, "approved", by="tester")
    assert (await task).status == "ok"
    assert json.loads(world.config.read_text())["capacity"] == 200


async def test_an_approval_is_withdrawn_when_the_file_changes_under_it(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "why"))
    await world.pending()
    world.config.write_text(world.config.read_text().replace("500", "900"))
    world.clock.now += 3
    outcome = await task
    assert outcome.status == "withdrawn"
    assert "900" in world.config.read_text()


async def test_what_changed_between_the_approval_and_the_effect_does_not_run(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    executor = world.executor()
    task = asyncio.create_task(executor.execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    world.config.write_text(world.config.read_text().replace("500", "900"))
    await world.ledger.decide(approval.id, "approved", by="tester")
    outcome = await task
    assert outcome.status == "withdrawn"
    assert json.loads(world.config.read_text())["delay_ms"] == 900


async def test_an_edited_approval_runs_what_the_person_wrote_and_keeps_both(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    edited = {"set": {"delay_ms": 5}, "restore": False, "why": "keep a little"}
    await world.ledger.decide(approval.id, "edited", by="tester", edited_arguments=edited)
    assert (await task).status == "ok"
    assert json.loads(world.config.read_text())["delay_ms"] == 5
    decision = next(entry for entry in await world.ledger.journal(ticket.id) if entry.kind == "decision")
    assert decision.payload["proposed_arguments"]["set"] == {"delay_ms": 0}
    assert decision.payload["edited_arguments"]["set"] == {"delay_ms": 5}


async def test_an_edited_approval_does_not_run_on_a_file_the_person_was_not_shown(world: World) -> None:
    make_slow(world)
    ticket = await world.ticket()
    executor = world.executor()
    executor.gate = Gate(world.ledger, world.hub, world.clock, look_seconds=5)
    task = asyncio.create_task(executor.execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    world.config.write_text(world.config.read_text().replace("500", "900"))
    edited = {"set": {"capacity": 5}, "restore": False, "why": ""}
    await world.ledger.decide(approval.id, "edited", by="tester", edited_arguments=edited)
    world.hub.publish(Event("approval.decided", 0.0, {}))
    assert (await task).status == "withdrawn"
    assert json.loads(world.config.read_text())["delay_ms"] == 900


async def test_what_was_approved_does_not_run_once_the_mode_is_observe(world: World) -> None:
    make_slow(world)
    before = world.config.read_text()
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    await world.ledger.set_mode("observe", "tester")
    await world.ledger.decide(approval.id, "approved", by="tester")
    outcome = await task
    assert outcome.status == "denied"
    assert world.config.read_text() == before
    assert "intent" not in [entry.kind for entry in await world.ledger.journal(ticket.id)]


async def test_an_edit_of_the_configuration_is_put_to_the_service_too(world: World) -> None:
    await world.ledger.set_mode("autonomous", "test")
    before = world.config.read_text()
    ticket = await world.ticket()
    bad = ToolCall(
        "c1", "edit_file", {"path": "service_config.json", "old": '"capacity": 100', "new": '"capacity": -1'}
    )
    outcome = await world.executor().execute(ticket, bad, 1, "why")
    assert outcome.status == "error"
    assert "capacity" in outcome.text
    assert world.config.read_text() == before


async def test_a_pipe_in_place_of_the_configuration_holds_nobody(world: World) -> None:
    world.config.unlink()
    os.mkfifo(world.config)
    ticket = await world.ticket()
    restore = ToolCall("c1", "update_config", {"restore": True})
    async with asyncio.timeout(10):
        outcome = await world.executor().execute(ticket, restore, 1, "why")
    assert outcome.status == "error"
    assert "not a regular file" in outcome.text


async def test_observe_mode_records_the_proposal_and_changes_nothing(world: World) -> None:
    make_slow(world)
    await world.ledger.set_mode("observe", "test")
    before = world.config.read_text()
    ticket = await world.ticket()
    outcome = await world.executor().execute(ticket, SLOW, 1, "why")
    assert outcome.status == "denied"
    assert world.config.read_text() == before
    result = (await world.ledger.journal(ticket.id))[-1]
    assert result.payload["rule"] == "observe-mode"
    assert result.payload["arguments"]["set"] == {"delay_ms": 0}


async def test_the_kill_switch_stops_before_the_effect_even_when_it_was_approved(world: World) -> None:
    make_slow(world)
    before = world.config.read_text()
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, SLOW, 1, "why"))
    approval = await world.pending()
    await world.ledger.stop("tester", "enough")
    await world.ledger.decide(approval.id, "approved", by="tester")
    with pytest.raises(Stopped):
        await task
    assert world.config.read_text() == before


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("no_such_tool", {}, "there is no tool"),
        ("read_file", {}, "path"),
        ("read_file", {"path": "../ledger.db"}, "ledger.db"),
        ("read_file", {"path": "/etc/passwd"}, "passwd"),
        ("read_file", {"path": "service_config.json", "extra": 1}, "extra"),
        ("update_config", {}, "nothing to do"),
        ("update_config", {"set": {"delay_ms": "slow"}}, "refuses"),
        ("update_config", {"set": {"nonsense": 1}}, "refuses"),
        ("edit_file", {"path": "service_config.json", "old": "nowhere", "new": "x"}, "0 times"),
        ("finish_ticket", {"verdict": "fixed", "summary": "done", "evidence": [9999]}, "9999"),
        ("create_ticket", {"objective": "look", "criteria": ["rate_limiter_healty"]}, "rate_limiter_healthy"),
    ],
)
async def test_a_bad_call_is_one_clear_line_and_changes_nothing(
    world: World, name: str, arguments: dict[str, object], told: str
) -> None:
    await world.ledger.set_mode("autonomous", "test")
    before, head = world.config.read_text(), world.commits()[0]["sha"]
    ticket = await world.ticket()
    outcome = await world.executor().execute(ticket, ToolCall("c1", name, arguments), 1, "why")
    assert outcome.status == "error"
    assert told in outcome.text
    assert "\n" not in outcome.text
    assert (world.config.read_text(), world.commits()[0]["sha"]) == (before, head)


async def test_a_file_outside_the_editable_globs_is_denied_in_every_mode(world: World) -> None:
    await world.ledger.set_mode("autonomous", "test")
    ticket = await world.ticket()
    call = ToolCall("c1", "edit_file", {"path": "subject.toml", "old": '"critical"', "new": '"warning"'})
    outcome = await world.executor().execute(ticket, call, 1, "why")
    assert outcome.status == "denied"
    assert "not among the editable files" in outcome.text


async def test_secrets_do_not_reach_the_journal_or_the_brain(world: World) -> None:
    world.bench.log_path.write_text(
        '{"msg":"login","password":"hunter2-hunter2"}\nAuthorization: Bearer abcdefghijklmnop\n'
    )
    ticket = await world.ticket()
    outcome = await world.executor().execute(ticket, ToolCall("c1", "query_logs", {}), 1, "why")
    kept = json.dumps([entry.public() for entry in await world.ledger.journal(ticket.id)])
    for secret in ("hunter2", "abcdefghijklmnop"):
        assert secret not in outcome.text
        assert secret not in kept
    assert "redacted" in outcome.text


async def test_a_restart_of_a_serving_process_asks_even_in_autonomous_mode(world: World) -> None:
    await world.ledger.set_mode("autonomous", "test")
    await world.tick()
    ticket = await world.ticket()
    task = asyncio.create_task(world.executor().execute(ticket, ToolCall("c1", "restart_service", {}), 1, "why"))
    approval = await world.pending()
    assert approval.effect == "disruptive"
    await world.ledger.decide(approval.id, "rejected", by="tester", reason="it serves")
    assert (await task).status == "rejected"
    desired = await world.ledger.desired("ratelimiter")
    assert desired is not None
    assert desired.generation == 1


async def test_an_edit_of_code_asks_even_in_autonomous_mode(world: World) -> None:
    await world.ledger.set_mode("autonomous", "test")
    ticket = await world.ticket()
    path = world.bench.workspace.root / "service/ratelimiter/logs.py"
    first = path.read_text().splitlines()[0]
    edit = ToolCall("c1", "edit_file", {"path": "service/ratelimiter/logs.py", "old": first, "new": f"{first}\n"})
    task = asyncio.create_task(world.executor().execute(ticket, edit, 1, "why"))
    approval = await world.pending()
    assert approval.effect == "disruptive"
    await world.ledger.decide(approval.id, "rejected", by="tester", reason="no code today")
    assert (await task).status == "rejected"
    assert path.read_text().splitlines()[0] == first
