"""The approval: nothing is sent that the operator did not mean, and nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any

from console.app import HarnessApp
from console.screens.approval import ApprovalModal
from console.screens.ticket_form import TicketForm
from monitor.records import iso
from tests.console import fakes, happenings, scenes
from tests.console.conftest import wait_until
from tests.console.test_keys import Started, asked, console, publish


def modal(app: HarnessApp) -> ApprovalModal:
    assert isinstance(app.screen, ApprovalModal)
    return app.screen


async def opened(started: Started, *, armed: bool = True) -> ApprovalModal:
    app, _, pilot = started
    await wait_until(pilot, lambda: isinstance(app.screen, ApprovalModal))
    if armed:
        await wait_until(pilot, lambda: isinstance(app.screen, ApprovalModal) and app.screen.armed)
    return modal(app)


def text(app: HarnessApp, selector: str) -> str:
    return str(app.screen.query_one(selector).render())


async def test_it_opens_by_itself_and_shows_what_will_happen() -> None:
    async with console() as started:
        app = started[0]
        await publish(started, *scenes.asking())
        await opened(started)
        assert "service_config.json of ratelimiter" in text(app, "#approval-target")
        assert '-  "delay_ms": 500' in text(app, "#approval-diff")
        facts = text(app, "#approval-facts")
        for part in ("500 ms longer", "reversible-asks", "reversible", "git revert"):
            assert part in facts
        assert "503 ms" in text(app, "#approval-live")
        assert "4m 12s left" in str(app.screen.query_one("#approval").border_subtitle)


async def test_approve() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        await opened(started)
        await pilot.press("a")
        await wait_until(pilot, lambda: asked(boot) == [("approve", 1)])
        await wait_until(pilot, lambda: app.screen is app.main)
        assert any("nothing else waits" in notice.message for notice in app._notifications)


async def test_keys_do_nothing_until_they_arm_and_typing_keeps_them_from_arming() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        shown = await opened(started, armed=False)
        shown.wait_for_quiet()
        for key in "database":
            await pilot.press(key)
        await pilot.pause()
        assert asked(boot) == []
        assert modal(app) is shown
        assert not shown.armed


async def test_enter_on_nothing_chosen_does_nothing() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        shown = await opened(started)
        assert app.focused is not None
        assert app.focused.id == "reject"
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert asked(boot) == []
        assert modal(app) is shown
        assert not app.screen.query_one("#approval-reason").display
        await pilot.press("left", "enter")
        await wait_until(pilot, lambda: asked(boot) == [("approve", 1)])


async def test_reject_needs_a_reason() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        await opened(started)
        await pilot.press("r")
        await pilot.press("enter")
        await pilot.pause()
        assert asked(boot) == []
        await pilot.press(*"not now, a", "enter")
        await wait_until(pilot, lambda: asked(boot) == [("reject", 1, "not now, a")])
        await wait_until(pilot, lambda: app.screen is app.main)


async def test_escape_from_the_reason_goes_back_and_arms_again() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        shown = await opened(started)
        await pilot.press("r", *"why", "escape")
        await pilot.pause()
        assert modal(app) is shown
        assert not shown.armed
        await pilot.press("a")
        await pilot.pause()
        assert asked(boot) == []


async def test_edit_refuses_bad_json_and_sends_good() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        shown = await opened(started)
        await pilot.press("e")
        editor: Any = shown.query_one("#approval-editor")
        await wait_until(pilot, lambda: app.focused is editor)
        editor.text = "{nonsense"
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "not valid JSON" in text(app, "#approval-message")
        editor.text = '{"file": "service_config.json", "set": {"delay_ms": 10}}'
        await pilot.press("ctrl+s")
        await wait_until(
            pilot, lambda: asked(boot) == [("edit", 1, {"file": "service_config.json", "set": {"delay_ms": 10}})]
        )


async def test_escape_from_the_editor_goes_back_and_nothing_is_sent() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        shown = await opened(started)
        await pilot.press("e", *"xyz", "tab", "escape")
        await pilot.pause()
        assert modal(app) is shown
        assert not shown.query_one("#approval-editor").display
        await opened(started)
        await pilot.press("escape")
        await wait_until(pilot, lambda: app.screen is app.main)
        assert asked(boot) == []


async def test_later_parks_and_a_brings_it_back() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        await opened(started)
        await pilot.press("escape")
        await wait_until(pilot, lambda: app.screen is app.main)
        await publish(started, happenings.snapshot("degraded", last=400.0))
        await pilot.pause()
        assert app.screen is app.main
        await pilot.press("a")
        assert (await opened(started)).approval_id == 1
        assert asked(boot) == []


async def test_one_at_a_time_first_come_first_and_each_arms_again() -> None:
    async with console(scenes.asking(3)) as started:
        app, boot, pilot = started
        first = await opened(started)
        assert first.approval_id == 1
        assert sum(isinstance(screen, ApprovalModal) for screen in app.screen_stack) == 1
        await pilot.press("a", "a", "a")
        await wait_until(pilot, lambda: isinstance(app.screen, ApprovalModal) and app.screen is not first)
        assert asked(boot) == [("approve", 1)]
        await publish(started, happenings.approval(1, status="approved"))
        assert (await opened(started)).approval_id == 2
        await pilot.press("a")
        await wait_until(pilot, lambda: ("approve", 2) in asked(boot))
        await wait_until(pilot, lambda: isinstance(app.screen, ApprovalModal) and app.screen.approval_id == 3)
        await opened(started)
        await pilot.press("a")
        await wait_until(pilot, lambda: app.screen is app.main)
        assert asked(boot) == [("approve", 1), ("approve", 2), ("approve", 3)]


async def test_it_never_opens_over_a_text_field() -> None:
    async with console() as started:
        app, boot, pilot = started
        await pilot.press("slash", *"da")
        await publish(started, *scenes.asking())
        await pilot.press(*"tabase")
        await pilot.pause()
        assert app.screen is app.main
        assert app.query_one("#ticket-filter").value == "database"  # type: ignore[attr-defined]
        assert app.query_one("#banner-approvals").display
        assert asked(boot) == []
        await pilot.press("escape")
        await opened(started)


async def test_it_never_opens_over_another_dialog() -> None:
    async with console() as started:
        app, _, pilot = started
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(app.screen, TicketForm))
        await publish(started, *scenes.asking())
        await pilot.pause()
        assert isinstance(app.screen, TicketForm)
        await pilot.press("escape")
        await opened(started)


async def test_withdrawn_while_it_is_open() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        await opened(started)
        await publish(started, happenings.approval(1, status="withdrawn", reason="the service recovered"))
        await wait_until(pilot, lambda: "withdrawn" in text(app, "#approval-message"))
        assert "the service recovered" in text(app, "#approval-message")
        await pilot.press("a")
        await wait_until(pilot, lambda: app.screen is app.main)
        assert asked(boot) == []


async def test_a_larger_terminal_takes_the_hint_to_scroll_away() -> None:
    async with console(scenes.asking(), size=(60, 18)) as started:
        app, _, pilot = started
        await opened(started)
        await wait_until(pilot, lambda: "shows the rest" in text(app, "#approval-message"))
        await pilot.resize_terminal(120, 40)
        await wait_until(pilot, lambda: "shows the rest" not in text(app, "#approval-message"))


async def test_how_it_ended_is_shown_whole() -> None:
    why = "what it would change has changed since it was proposed"
    async with console(scenes.asking(), size=(80, 24)) as started:
        app, _, pilot = started
        await opened(started)
        await publish(started, happenings.approval(1, status="withdrawn", reason=why))
        await wait_until(pilot, lambda: "withdrawn" in text(app, "#approval-message"))
        await wait_until(pilot, lambda: app.screen.query_one("#approval-message").size.height >= 2)


async def test_stopped_is_said_in_the_window_itself() -> None:
    async with console(scenes.asking(), size=(80, 24)) as started:
        app, _, pilot = started
        await opened(started)
        await publish(started, happenings.control(stopped=True))
        await wait_until(pilot, lambda: "STOPPED" in str(app.screen.query_one("#approval").border_subtitle))


async def test_decided_elsewhere_while_a_reason_is_being_typed() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        await opened(started)
        await pilot.press("r", *"beca")
        await publish(started, happenings.approval(1, status="approved", decided_by="grace"))
        await wait_until(pilot, lambda: "approved by grace" in text(app, "#approval-message"))
        await pilot.press("enter")
        await wait_until(pilot, lambda: app.screen is app.main)
        assert asked(boot) == []


async def test_time_running_out_closes_it_unsent() -> None:
    boot = fakes.FakeBoot([*scenes.working(), happenings.approval(1, left=0.0, expires_at=iso(happenings.NOW + 60))])
    clock = [happenings.NOW]
    app = HarnessApp(boot, clock=lambda: clock[0])
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, ApprovalModal) and app.screen.armed)
        clock[0] += 61
        await wait_until(pilot, lambda: "expired" in text(app, "#approval-message"))
        await pilot.press("a")
        await pilot.pause()
        assert asked(boot) == []


async def test_a_refused_decision_says_why_and_can_be_tried_again() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        shown = await opened(started)
        boot.operator.fail = "the ledger is busy; try again"
        await pilot.press("a")
        await wait_until(pilot, lambda: "ledger is busy" in text(app, "#approval-message"))
        assert modal(app) is shown
        await pilot.press("a")
        await wait_until(pilot, lambda: asked(boot) == [("approve", 1)])


async def test_a_slow_decision_is_sent_once() -> None:
    async with console(scenes.asking()) as started:
        app, boot, pilot = started
        await opened(started)
        boot.operator.gate = asyncio.Event()
        await pilot.press("a", "a", "e", "escape")
        await pilot.pause()
        assert isinstance(app.screen, ApprovalModal)
        boot.operator.gate.set()
        await wait_until(pilot, lambda: app.screen is app.main)
        assert asked(boot) == [("approve", 1)]


async def test_stop_works_over_an_approval() -> None:
    async with console(scenes.asking()) as started:
        _, boot, pilot = started
        await opened(started)
        await pilot.press("K")
        await wait_until(pilot, lambda: asked(boot) == [("stop",)])


async def test_hostile_text_is_shown_and_never_obeyed() -> None:
    evil = "[@click=app.leave_now]x[/]\x1b]0;t\x07 \u202egnp"
    hostile = happenings.approval(1, target=evil, why=evil, diff=f"+{evil}", undo=evil, rule=evil, tool=evil)
    async with console(
        [*scenes.working(), happenings.ticket(12, evil, status="awaiting_approval"), hostile]
    ) as started:
        app = started[0]
        await opened(started)
        for selector in ("#approval-target", "#approval-diff", "#approval-facts"):
            shown = text(app, selector)
            assert "\x1b" not in shown
            assert "\u202e" not in shown
            assert "\\u202e" in shown
        assert "[@click=app.leave_now]" in text(app, "#approval-target")


async def test_the_keys_are_in_view_at_every_supported_size() -> None:
    for size in ((60, 18), (80, 24), (120, 36), (200, 50)):
        async with console(scenes.asking(), size=size) as started:
            app = started[0]
            await opened(started)
            for choice in app.screen.query("Choice"):
                assert app.screen.size.region.contains_region(choice.region), (size, choice)
                assert choice.region.height == 1
