"""What the screens show of the state, and what they never show."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from console.glyphs import CALL, EFFECT, INVARIANT, MODE, PRIORITY, SUBJECT, TICKET
from console.screens.log import LogScreen
from console.screens.ticket import TicketScreen
from monitor.events import Event
from tests.console import happenings, scenes
from tests.console.conftest import wait_until
from tests.console.test_keys import asked, console, publish


def text(widget: Any) -> str:
    return str(widget.render())


async def test_the_status_bar_says_who_decides_and_what_is_wrong() -> None:
    async with console(scenes.working(), owner=False, sandbox="bubblewrap") as started:
        app = started[0]
        shown = text(app.query_one("#status-left")) + text(app.query_one("#status-right"))
        for part in ("ratelimiter", "degraded", "supervised", "rules (no model)", "latency", "viewer", "bubblewrap"):
            assert part in shown
        await publish(started, Event("loop.failed", happenings.NOW, {"loop": "monitor", "reason": "disk full"}))
        await wait_until(started[2], lambda: "monitor loop failed" in text(app.query_one("#status-right")))
        assert "disk full" in text(app.query_one("#banner-loops"))
        await publish(started, Event("loop.resumed", happenings.NOW, {"loop": "monitor"}))
        await wait_until(started[2], lambda: not app.query_one("#banner-loops").display)


async def test_brain_mode_and_stop_are_visible_at_eighty_columns() -> None:
    asking = [*scenes.asking(2), happenings.control(stopped=True)]
    async with console(asking, size=(80, 24)) as (app, _, _pilot):
        shown = text(app.query_one("#status-left")) + text(app.query_one("#status-right"))
        for part in ("degraded", "supervised", "rules (no model)", "STOPPED", "2 waiting"):
            assert part in shown


async def test_dialogs_are_centred_over_a_dimmed_screen() -> None:
    async with console(scenes.asking()) as (app, _, pilot):
        await wait_until(pilot, lambda: app.screen is not app.main)
        left = app.screen.query_one("#approval").region.x
        assert abs(left - (120 - 100) // 2) <= 1
        assert app.screen.styles.background.a < 1


async def test_stale_looks_stale() -> None:
    async with console([happenings.snapshot(at=happenings.NOW - 40), *scenes.history()]) as (app, _, _pilot):
        panel = app.query_one("#service")
        assert panel.has_class("-stale")
        assert "STALE" in str(panel.border_subtitle)
        assert "STALE" in str(app.query_one("#objectives").border_subtitle)
        assert "? stale" in text(app.query_one("#status-left"))
        assert "nothing was measured for 40s" in text(app.query_one("#banner-silent"))
        assert "harness-tui" not in text(app.query_one("#banner-silent"))


async def test_a_viewer_whose_owner_is_gone_says_how_to_go_on() -> None:
    old = [happenings.snapshot(at=happenings.NOW - 40), *scenes.history()]
    async with console(old, owner=False, size=(80, 24)) as (app, _, _pilot):
        banner = app.query_one("#banner-silent")
        assert "harness-tui again takes over" in text(banner)
        assert banner.size.height == 2


async def test_fresh_figures_do_not_look_stale() -> None:
    async with console() as (app, _, _pilot):
        assert not app.query_one("#banner-silent").display
        assert not app.query_one("#objectives").has_class("-stale")


async def test_the_whole_reason_of_a_failed_loop_is_on_screen() -> None:
    reason = (
        "the endpoint at http://127.0.0.1:18734 does not accept the key: invalid x-api-key; "
        "set a valid ANTHROPIC_API_KEY and start again"
    )
    failed = Event("loop.failed", happenings.NOW, {"loop": "agent", "reason": reason})
    async with console([*scenes.healthy(), failed], size=(80, 24)) as (app, _, _pilot):
        banner = app.query_one("#banner-loops")
        assert reason in text(banner)
        assert banner.size.height == 3


async def test_a_ticket_that_nobody_works_is_said_to_wait() -> None:
    claimed = happenings.ticket(40, "mend it", status="pending")
    claimed = Event(claimed.kind, claimed.at, {**claimed.data, "what": "claimed"}, claimed.subject, 40)
    async with console([happenings.snapshot(), claimed]) as (app, _, _pilot):
        assert "waiting in the queue" in text(app.query_one("#agent-idle"))


async def test_process_figures_stay_on_one_line_where_it_is_narrow() -> None:
    for size in ((100, 30), (104, 40), (120, 36)):
        async with console([happenings.snapshot(restarts=4, pid=3_999_999), *scenes.history()], size=size) as started:
            lines = text(started[0].query_one("#service-body")).split("\n")
            row = next(line for line in lines if line.startswith("process"))
            assert "restarts 4" in row, row
            assert len(row) <= started[0].query_one("#service-body").size.width


async def test_the_service_panel_is_complete() -> None:
    async with console(scenes.working()) as (app, _, _pilot):
        shown = text(app.query_one("#service-body"))
        for part in (
            "degraded",
            "up 12m 44s",
            "48213",
            "8001",
            "503 ms",
            "p50",
            "p95",
            "20.1 req/s",
            "1.4 denied/s",
            "delay_ms 500 (committed 0)",
            "latency 34s",
            "z clears",
        ):
            assert part in shown, part


async def test_live_text_streams_and_becomes_a_step() -> None:
    async with console(scenes.working()) as started:
        app, _, pilot = started
        await publish(
            started, happenings.delta(12, 3, "thinking", "somebody changed "), happenings.delta(12, 3, "thinking", "it")
        )
        live = app.query_one("#agent-live")
        await wait_until(pilot, lambda: "somebody changed it" in text(live))
        assert "[3]" in text(live)
        await publish(started, happenings.entry(12, 3, "turn", "Removing artificial delay from config"))
        await wait_until(pilot, lambda: not live.display)

        def steps() -> str:
            return "\n".join(text(part) for part in app.query("StepView Painted"))

        await wait_until(pilot, lambda: "[3] # Removing artificial delay from config" in steps())


async def test_hostile_text_is_plain_everywhere() -> None:
    evil = "[@click=app.leave_now]x[/] \x1b]0;pwned\x07 \u202egnp"
    events = [
        happenings.control(),
        happenings.snapshot(detail=evil, config_drift=[{"key": evil, "committed": evil, "live": evil}]),
        happenings.ticket(12, evil, status="in_progress", what="claimed"),
        happenings.entry(
            12, 1, "turn", evil, {"calls": [{"id": "x", "name": evil, "arguments": {"a": evil}}], "text": evil}
        ),
        happenings.entry(12, 1, "result", evil, {"call_id": "x", "status": evil, "text": evil}),
        happenings.delta(12, 2, "text", evil),
    ]
    async with console(events, brain_label=evil) as (app, boot, pilot):
        boot.operator.detail = {
            "ticket": {"id": 12, "criteria": [evil], "context": evil},
            "journal": [event.data["entry"] for event in events if event.kind == "journal.appended"],
            "approvals": [],
        }
        await pilot.press("4", "k", "enter")
        seen = [text(widget) for widget in app.query("Painted")]
        await pilot.press("3", "enter")
        await wait_until(pilot, lambda: "Timeline" in text(app.screen.query_one("#ticket-body")))
        seen += [text(app.screen.query_one("#ticket-body")), text(app.screen.query_one("#ticket-head"))]
        everything = "\n".join(seen)
        assert "\x1b" not in everything
        assert "\u202e" not in everything
        assert "[@click=app.leave_now]x[/]" in everything
        assert boot.closed == 0


async def test_the_ticket_screen_tells_the_whole_story() -> None:
    async with console(scenes.asking()) as (app, boot, pilot):
        await wait_until(pilot, lambda: app.screen is not app.main)
        await pilot.press("escape")
        entries = [event.data["entry"] for event in scenes.asking() if event.kind == "journal.appended"]
        boot.operator.detail = {
            "ticket": {"id": 12, "criteria": ["rate_limiter_latency", "config.delay_ms == 0"], "context": "from ada"},
            "journal": entries,
            "approvals": [happenings.approval(1).data["approval"]],
        }
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(app.screen, TicketScreen))
        body = app.screen.query_one("#ticket-body")
        await wait_until(pilot, lambda: "Timeline" in text(body))
        for part in (
            "violated 503 ms  now",
            "config.delay_ms == 0",
            "not checked yet",
            "from ada",
            "waiting for you",
            "# Reading the deployed configuration",
            "allowed by read-only",
            '-  "delay_ms": 500',
            "rule reversible-asks",
            "undo git revert",
        ):
            assert part in text(body), part
        await pilot.press("x")
        await wait_until(pilot, lambda: not isinstance(app.screen, TicketScreen))
        await pilot.press("y")
        await wait_until(pilot, lambda: ("cancel", 12) in asked(boot))
        await pilot.press("R")
        await wait_until(pilot, lambda: ("retry", 12) in asked(boot))


async def test_the_log_follows_filters_and_copies() -> None:
    async with console() as (app, boot, pilot):
        boot.operator.lines = [f"line {n}" for n in range(300)]
        await pilot.press("l")
        await wait_until(pilot, lambda: isinstance(app.screen, LogScreen))
        lines: Any = app.screen.query_one("#log-lines")
        await wait_until(pilot, lambda: len(lines.shown) == 300 and lines.scroll_y == lines.max_scroll_y)
        boot.operator.lines += ["error \x1b[31mred"]
        await wait_until(pilot, lambda: lines.shown[-1] == "error \\x1b[31mred")
        await wait_until(pilot, lambda: lines.scroll_y == lines.max_scroll_y)
        await pilot.press("pageup")
        await wait_until(pilot, lambda: not lines.following)
        assert "held" in str(lines.border_subtitle)
        await pilot.press("slash", *"error")
        await wait_until(pilot, lambda: lines.shown == ["error \\x1b[31mred"])
        await pilot.press("enter", "y")
        assert app.clipboard == "error \\x1b[31mred"


def test_no_two_states_share_a_glyph_or_a_word() -> None:
    for table in (SUBJECT, INVARIANT, TICKET, PRIORITY, MODE, CALL, EFFECT):
        for part in ("fancy", "ascii", "word"):
            shown = [getattr(item, part) for item in table.values()]
            assert len(shown) == len(set(shown)), (part, shown)


def test_nothing_heavy_is_imported_before_the_first_frame() -> None:
    heavy = ("pydantic", "sqlalchemy", "httpx", "anthropic", "fastapi", "typer", "alembic", "markdown_it", "pygments")
    script = f"""
import asyncio, sys
from console.app import HarnessApp
class Never:
    async def start(self):
        await asyncio.Event().wait()
    async def close(self):
        pass
async def main():
    app = HarnessApp(Never())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        for panel in ("service", "objectives", "tickets", "agent", "status-bar", "key-hints"):
            assert app.query_one("#" + panel).size.area > 0, panel
    found = sorted(name for name in {heavy!r} if name in sys.modules)
    assert not found, found
asyncio.run(main())
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
