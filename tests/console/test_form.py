"""The ticket form: checked as it is typed, filed whole, and never lost by a stray Escape."""

from __future__ import annotations

from typing import Any

from console.screens.confirm import Confirm
from console.screens.ticket_form import TicketForm
from tests.console.conftest import wait_until
from tests.console.test_keys import Started, asked, console


async def open_form(started: Started) -> TicketForm:
    app, _, pilot = started
    await pilot.press("n")
    await wait_until(pilot, lambda: isinstance(app.screen, TicketForm))
    assert isinstance(app.screen, TicketForm)
    return app.screen


def message(form: TicketForm) -> str:
    return str(form.query_one("#form-message").render())


async def test_it_files_what_was_typed() -> None:
    async with console() as started:
        app, boot, pilot = started
        form = await open_form(started)
        await pilot.press(*"capacity 200", "tab")
        criteria: Any = form.query_one("#form-criteria")
        criteria.text = "config.capacity == 200\n\nrate_limiter_healthy\n"
        form.query_one("#form-context").text = "  the launch is tomorrow "  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: app.screen is app.main)
        expected = (
            "file",
            "ratelimiter",
            "capacity 200",
            ("config.capacity == 200", "rate_limiter_healthy"),
            "medium",
            "the launch is tomorrow",
        )
        assert asked(boot) == [expected]
        assert any("#99" in notice.message for notice in app._notifications)


async def test_criteria_are_checked_while_typing() -> None:
    async with console() as started:
        _, boot, pilot = started
        form = await open_form(started)
        await pilot.press(*"x", "tab", *"rate_limiter_helthy")
        checked = form.query_one("#form-checked")
        await wait_until(pilot, lambda: "line 1" in str(checked.render()))
        assert "nearest: rate_limiter_healthy" in str(checked.render())
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert asked(boot) == []
        assert "not understood" in message(form)
        form.query_one("#form-criteria").text = "rate_limiter_healthy"  # type: ignore[attr-defined]
        await wait_until(pilot, lambda: "1 understood" in str(checked.render()))


async def test_what_is_missing_is_named() -> None:
    async with console() as started:
        _, boot, pilot = started
        form = await open_form(started)
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "objective is needed" in message(form))
        await pilot.press(*"x", "ctrl+s")
        await wait_until(pilot, lambda: "success criterion" in message(form))
        assert asked(boot) == []


async def test_escape_closes_an_empty_form_at_once() -> None:
    async with console() as started:
        app, _, pilot = started
        await open_form(started)
        await pilot.press("escape")
        await wait_until(pilot, lambda: app.screen is app.main)


async def test_escape_asks_when_something_was_typed() -> None:
    async with console() as started:
        app, _, pilot = started
        form = await open_form(started)
        await pilot.press(*"keep me", "escape")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")  # Cancel has the focus
        await wait_until(pilot, lambda: app.screen is form)
        assert form.query_one("#form-objective").value == "keep me"  # type: ignore[attr-defined]
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_until(pilot, lambda: app.screen is app.main)


async def test_a_refused_ticket_keeps_what_was_typed() -> None:
    async with console() as started:
        app, boot, pilot = started
        form = await open_form(started)
        await pilot.press(*"again")
        form.query_one("#form-criteria").text = "rate_limiter_healthy"  # type: ignore[attr-defined]
        boot.operator.fail = "ticket #4 already asks for this; open it instead"
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "already asks" in message(form))
        assert app.screen is form
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: len(asked(boot)) == 1)
