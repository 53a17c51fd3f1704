"""What each key does, and above all where it does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from console.app import HarnessApp
from console.keymap import KEYMAP, groups
from console.screens.chaos import ChaosMenu
from console.screens.confirm import Confirm
from console.screens.error import ErrorScreen
from console.screens.help import HelpScreen
from console.screens.log import LogScreen
from console.screens.ticket import TicketScreen
from console.screens.ticket_form import TicketForm
from console.widgets.banners import StoppedLine
from console.widgets.step_view import StepView
from monitor.events import Event
from service.faults import FAULTS
from tests.console import fakes, happenings, scenes
from tests.console.conftest import wait_until

Started = tuple[HarnessApp, fakes.FakeBoot, Pilot[int]]


@asynccontextmanager
async def console(
    events: list[Event] | None = None, size: tuple[int, int] = (120, 36), **session: Any
) -> AsyncIterator[Started]:
    boot = fakes.FakeBoot(scenes.healthy() if events is None else events, **session)
    app = HarnessApp(boot, clock=lambda: happenings.NOW)
    async with app.run_test(size=size) as pilot:
        await wait_until(pilot, lambda: bool(app.state.tickets))
        await pilot.pause()
        yield app, boot, pilot


async def publish(started: Started, *events: Event) -> None:
    app, boot, pilot = started
    before = app.state
    for event in events:
        boot.hub.publish(event)
    await wait_until(pilot, lambda: app.state is not before)


def asked(boot: fakes.FakeBoot) -> list[tuple[Any, ...]]:
    return boot.operator.asked


@pytest.mark.parametrize("panel", ["1", "2", "3", "4"])
async def test_space_plays_dead_whatever_panel_has_the_focus(panel: str) -> None:
    async with console() as (_, boot, pilot):
        await pilot.press(panel, "space")
        await wait_until(pilot, lambda: asked(boot) == [("inject", "play_dead")])


async def test_space_revives_and_z_removes_the_latency() -> None:
    dead = happenings.snapshot(faults=[{"name": "play_dead", "since": 1.0}, {"name": "latency", "since": 2.0}])
    async with console([dead, *scenes.history()]) as (_, boot, pilot):
        await pilot.press("space", "z")
        await wait_until(pilot, lambda: asked(boot) == [("clear", "play_dead"), ("clear", "latency")])


async def test_a_bouncing_key_acts_once() -> None:
    async with console() as (_, boot, pilot):
        await pilot.press("space", "space", "space", "z", "z")
        await wait_until(pilot, lambda: len(asked(boot)) >= 2)
        await pilot.pause()
        assert asked(boot) == [("inject", "play_dead"), ("inject", "latency")]


async def test_typing_in_the_filter_types() -> None:
    async with console() as (app, boot, pilot):
        await pilot.press("slash", *"a c", "space", *"zKq")
        await pilot.pause()
        assert app.query_one("#ticket-filter").value == "a c zKq"  # type: ignore[attr-defined]
        assert asked(boot) == []
        assert app.screen is app.main


async def test_typing_in_the_form_types() -> None:
    async with console() as (app, boot, pilot):
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(app.screen, TicketForm))
        await pilot.press(*"play", "space", *"dead", "z", "c", "K", "q")
        assert app.screen.query_one("#form-objective").value == "play deadzcKq"  # type: ignore[attr-defined]
        assert asked(boot) == []


@pytest.mark.parametrize(
    ("key", "screen"),
    [("c", ChaosMenu), ("question_mark", HelpScreen), ("l", LogScreen), ("enter", TicketScreen)],
)
async def test_over_the_main_screen_chaos_keys_do_nothing_stop_works_and_escape_goes_back(
    key: str, screen: type
) -> None:
    async with console() as (app, boot, pilot):
        await pilot.press(key)
        await wait_until(pilot, lambda: isinstance(app.screen, screen))
        await pilot.press("space", "z")
        await pilot.pause()
        assert asked(boot) == []
        await pilot.press("K")
        await wait_until(pilot, lambda: asked(boot) == [("stop",)])
        await pilot.press("escape")
        await wait_until(pilot, lambda: app.screen is app.main)
        await pilot.press("escape")
        await pilot.pause()
        assert app.is_running


async def test_chaos_keys_do_nothing_behind_the_palette_and_it_runs_what_is_chosen() -> None:
    async with console() as (app, boot, pilot):
        await pilot.press("ctrl+p")
        await wait_until(pilot, lambda: app.screen is not app.main)
        await pilot.press("space", "z", "backspace", "backspace")
        assert asked(boot) == []
        await pilot.press(*"stop every")
        await wait_until(pilot, lambda: app.screen.query_one("CommandList").option_count == 1)  # type: ignore[attr-defined]
        await pilot.press("down", "enter", "enter")
        await wait_until(pilot, lambda: asked(boot) == [("stop",)])


async def test_stop_is_one_press_and_resume_asks() -> None:
    async with console() as started:
        app, boot, pilot = started
        await pilot.press("K")
        await wait_until(pilot, lambda: asked(boot) == [("stop",)])
        await publish(started, happenings.control(stopped=True))
        assert app.query_one("#banner-stopped").display
        await pilot.press("K")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")  # Cancel has the focus
        await wait_until(pilot, lambda: app.screen is app.main)
        assert asked(boot) == [("stop",)]
        await pilot.press("K")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_until(pilot, lambda: asked(boot) == [("stop",), ("resume",)])


@pytest.mark.parametrize("key", ["l", "enter"])
async def test_stopped_is_seen_on_every_full_screen(key: str) -> None:
    async with console() as started:
        app, _, pilot = started
        await pilot.press(key)
        await wait_until(pilot, lambda: app.screen is not app.main)
        line = app.screen.query_one(StoppedLine)
        assert not line.display
        await pilot.press("K")
        await wait_until(pilot, lambda: any("STOPPED" in notice.message for notice in app._notifications))
        await publish(started, happenings.control(stopped=True))
        await wait_until(pilot, lambda: line.display)
        assert "STOPPED" in str(line.content)
        await publish(started, happenings.control())
        await wait_until(pilot, lambda: not line.display)


async def test_stop_does_not_wait_for_an_answer() -> None:
    async with console(scenes.working()) as (app, boot, pilot):
        await pilot.press("q")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("K")
        await wait_until(pilot, lambda: asked(boot) == [("stop",)])


async def test_a_digit_beside_a_fault_injects_it() -> None:
    async with console() as (app, boot, pilot):
        await pilot.press("c")
        menu: Any = await wait_for_menu(app, pilot)
        await wait_until(pilot, lambda: menu.query_one("#chaos-list").option_count == 5)
        await pilot.press("2", "9")
        await wait_until(pilot, lambda: asked(boot) == [("inject", "hang")])


def test_every_key_offered_for_a_fault_is_one_that_works() -> None:
    on_the_screen = {part for key in KEYMAP if key.scope == "main" for part in key.keys.split(",")}
    for fault in FAULTS.values():
        assert fault.key in on_the_screen or fault.key.isdigit(), fault.name
        if fault.key.isdigit():
            assert [other.key for other in FAULTS.values()].count(fault.key) == 1


async def wait_for_menu(app: HarnessApp, pilot: Pilot[int]) -> ChaosMenu:
    await wait_until(pilot, lambda: isinstance(app.screen, ChaosMenu))
    assert isinstance(app.screen, ChaosMenu)
    return app.screen


async def test_mode_cycles_and_autonomous_asks() -> None:
    async with console() as started:
        app, boot, pilot = started
        await pilot.press("m")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_until(pilot, lambda: asked(boot) == [("mode", "autonomous")])
        await publish(started, happenings.control("autonomous"))
        await pilot.press("m")
        await wait_until(pilot, lambda: asked(boot)[-1] == ("mode", "observe"))


async def test_filter_narrows_and_escape_clears() -> None:
    async with console() as (app, _, pilot):
        table: Any = app.query_one("#ticket-table")
        assert table.row_count == 5
        await pilot.press("slash", *"human", "enter")
        await wait_until(pilot, lambda: table.row_count == 2)
        assert app.focused is table
        await pilot.press("escape")
        await wait_until(pilot, lambda: table.row_count == 5)


async def test_the_cursor_stays_on_its_ticket() -> None:
    async with console() as started:
        app, _, pilot = started
        await pilot.press("j", "j")
        panel: Any = app.query_one("#tickets")
        held = panel.selected
        assert held == 9
        await publish(started, happenings.ticket(30, "something new", priority="critical"))
        await wait_until(pilot, lambda: app.query_one("#ticket-table").row_count == 6)  # type: ignore[attr-defined]
        assert panel.selected == held


async def test_more_tickets_than_a_page() -> None:
    many = [happenings.ticket(n, f"ticket {n}", age=5) for n in range(1, 451)]
    async with console(many) as (app, _, pilot):
        table: Any = app.query_one("#ticket-table")
        await wait_until(pilot, lambda: table.row_count == 200)
        await pilot.press("right_square_bracket", "right_square_bracket")
        await wait_until(pilot, lambda: table.row_count == 50)
        await pilot.press("left_square_bracket")
        await wait_until(pilot, lambda: table.row_count == 200)


async def test_digits_focus_panels_and_f_maximises() -> None:
    async with console() as (app, _, pilot):
        for key, panel in (("1", "service"), ("2", "objectives"), ("4", "agent")):
            await pilot.press(key)
            assert app.focused is app.query_one(f"#{panel}")
        await pilot.press("f")
        await pilot.pause()
        assert app.query_one("#agent").size.width > 110
        await pilot.press("escape")
        await pilot.pause()
        assert app.query_one("#agent").size.width < 70


async def test_holding_and_following_the_agent() -> None:
    long = [*scenes.working(), *[happenings.entry(12, n, "turn", f"step {n}") for n in range(4, 40)]]
    async with console(long) as (app, _, pilot):
        agent: Any = app.query_one("#agent")
        await wait_until(pilot, lambda: agent.max_scroll_y > 0 and agent.scroll_y == agent.max_scroll_y)
        await pilot.press("4", "pageup")
        await wait_until(pilot, lambda: not agent.following)
        assert "held" in str(agent.border_subtitle)
        await pilot.press("end")
        await wait_until(pilot, lambda: agent.following and agent.scroll_y == agent.max_scroll_y)
        assert "held" not in str(agent.border_subtitle or "")


async def test_enter_unfolds_a_step() -> None:
    async with console(scenes.working()) as (app, _, pilot):
        step = app.query(StepView).last()
        before = step.size.height
        await pilot.press("4", "k", "enter")
        await wait_until(pilot, lambda: step.size.height > before)


async def test_an_action_before_the_start_says_so() -> None:
    boot = fakes.FakeBoot(scenes.healthy())
    boot.gate = asyncio.Event()
    app = HarnessApp(boot, clock=lambda: happenings.NOW)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("space", "K", "c", "n", "a")
        await pilot.pause()
        assert app.screen is app.main
        assert any("starting" in notice.message for notice in app._notifications)
        boot.gate.set()
        await wait_until(pilot, lambda: bool(app.state.tickets))
        assert asked(boot) == []


async def test_a_failed_start_is_one_clear_screen_and_q_leaves() -> None:
    boot = fakes.FakeBoot()
    boot.error = "port 8001 is taken by another process; free it or set HARNESS_SERVICE_PORT=0"
    app = HarnessApp(boot)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        await pilot.press("q")
        await wait_until(pilot, lambda: app._exit)
    assert app.return_code == 1


async def test_a_failed_request_is_one_line_and_the_console_lives() -> None:
    async with console() as (app, boot, pilot):
        boot.operator.fail = "the service is not running, so it cannot play dead [bold]x[/]"
        await pilot.press("space")
        await wait_until(pilot, lambda: any("[bold]x[/]" in notice.message for notice in app._notifications))
        assert app.is_running


async def test_quit_leaves_at_once_when_nothing_is_at_stake() -> None:
    async with console() as (app, boot, pilot):
        await pilot.press("q")
        await wait_until(pilot, lambda: app._exit)
    assert (app.return_code, boot.closed) == (0, 1)


async def test_quit_asks_while_a_fault_is_on() -> None:
    async with console(scenes.working()) as (app, boot, pilot):
        await pilot.press("q")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")
        await wait_until(pilot, lambda: app.screen is app.main)
        assert boot.closed == 0
        await pilot.press("q")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_until(pilot, lambda: boot.closed == 1)


async def test_the_second_interrupt_leaves_at_once() -> None:
    async with console(scenes.working()) as (app, boot, pilot):
        await pilot.press("ctrl+c")
        await wait_until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("ctrl+c")
        await wait_until(pilot, lambda: app._exit)
    assert (app.return_code, boot.closed) == (130, 1)


async def test_too_small_says_so_and_q_still_leaves() -> None:
    async with console(size=(40, 10)) as (app, _, pilot):
        assert app.query_one("#too-small").display
        assert not app.query_one("#body").display
        await pilot.press("q")
        await wait_until(pilot, lambda: app._exit)


async def test_every_hint_can_be_clicked() -> None:
    async with console() as (app, _, pilot):
        await pilot.click("#key-hints", offset=(33, 0))
        await wait_until(pilot, lambda: isinstance(app.screen, ChaosMenu))


def test_help_holds_every_key_and_no_key_means_two_things() -> None:
    listed = {key.id for keys in groups().values() for key in keys}
    assert listed >= {key.id for key in KEYMAP if key.description}
    for scope in ({"main", "app"}, {"approval"}, {"ticket", "app"}, {"log", "app"}):
        keys = [part for key in KEYMAP if key.scope in scope for part in key.keys.split(",")]
        assert len(keys) == len(set(keys)), scope
