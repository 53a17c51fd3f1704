"""The service: state, process, latency, traffic, drifted configuration and injected faults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult

from console.glyphs import BOLT, DOT, SUBJECT, sign
from console.paint import NEWLINE, Painted, Piece, fit, piece, signed, spark, width_of
from console.timefmt import age, milliseconds, span
from console.widgets.panel import Panel

if TYPE_CHECKING:
    from console.slices import Service

STALE_SECONDS = 12.0
DECADES = 3.0
"""The latency picture spans 1 ms to 10 to the power of this, in ms."""
_LIMIT = re.compile(r"\[RESPONSE_TIME\]\s*<=?\s*(\d+(?:\.\d+)?)")
_REVIVE = {"play_dead": "space revives", "latency": "z clears"}


def latency_limit(service: Service) -> float | None:
    """The threshold in ms that an invariant sets on the response time, if one does."""
    for objective in service.objectives:
        found = _LIMIT.search(objective.condition)
        if found:
            return float(found.group(1))
    return None


def rate(value: float) -> str:
    """A rate per second, whole from ten up."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def silence(service: Service, now: float) -> float | None:
    """Seconds since the last sample when that is too long ago to be believed, else None."""
    if service.sampled_at is None or now - service.sampled_at <= STALE_SECONDS:
        return None
    return now - service.sampled_at


class ServicePanel(Panel):
    def __init__(self) -> None:
        super().__init__(1, "Service", id="service")
        self._service: Service | None = None
        self._now = 0.0
        self._body = Painted(id="service-body")

    def compose(self) -> ComposeResult:
        yield self._body

    def show(self, service: Service | None, now: float) -> None:
        """Show ``service`` as of ``now`` (epoch seconds); None is a calm placeholder."""
        self._service, self._now = service, now
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size.width, self.size.height
        if width <= 0:
            return
        service = self._service
        if service is None or (service.sampled_at is None and not service.process):
            self._body.paint([("starting …", "$muted")])
            self.foot()
            return
        stale = silence(service, self._now) is not None
        self.set_class(stale, "-stale")
        self.head(piece(service.subject, "$muted", 24))
        if service.sampled_at is None:
            self.foot(("no sample yet", "$muted"))
        elif stale:
            self.foot((f"STALE {DOT} last sample {age(self._now - service.sampled_at)} ago", "bold $warning"))
        else:
            self.foot((f"sampled {age(self._now - service.sampled_at)} ago", "$faint"))
        lines = self._compact(service, width, height) if height <= 5 else self._full(service, width, height)
        joined: list[Piece] = []
        for index, line in enumerate(lines):
            if index:
                joined.append(NEWLINE)
            joined.extend(line)
        self._body.paint(joined)

    def _uptime(self, service: Service) -> str:
        if service.started_at is None or service.pid is None:
            return "not running"
        return f"up {span(self._now - service.started_at)}"

    def _process(self, service: Service, width: int) -> list[Piece]:
        """Uptime, pid, port and restarts on one line; the word before the port goes first where it is narrow."""
        up: list[Piece] = [(self._uptime(service), "")]
        restarts: list[Piece] = [
            ("restarts ", "$muted"),
            (str(service.restarts), "" if not service.restarts else "$warning"),
        ]
        pid: list[list[Piece]] = []
        port: list[list[Piece]] = []
        short: list[list[Piece]] = []
        if service.pid is not None:
            pid = [[("pid ", "$muted"), (str(service.pid), "")]]
        if service.port is not None:
            port = [[("port ", "$muted"), (str(service.port), "")]]
            short = [[(":", "$muted"), (str(service.port), "")]]
        whole = [up, *pid, *port, restarts]
        if sum(width_of(group) + 2 for group in whole) - 2 <= width:
            return fit(whole, width)
        return fit([up, restarts, *pid, *short], width)

    def _state(self, service: Service) -> list[Piece]:
        if service.has_fault("play_dead"):
            return [("‖ ", "bold $error"), ("playing dead", "bold $error")]
        return [signed(sign(SUBJECT, service.state))]

    def _numbers(self, service: Service) -> list[Piece]:
        return [
            ("p50 ", "$muted"),
            (milliseconds(service.p50_ms), ""),
            ("  p95 ", "$muted"),
            (milliseconds(service.p95_ms), ""),
        ]

    def _last(self, service: Service) -> Piece:
        if service.last_ms is None:
            return "no answer", "bold $error"
        limit = latency_limit(service)
        slow = limit is not None and service.last_ms >= limit
        return milliseconds(service.last_ms), "bold $warning" if slow else "bold"

    def _traffic(self, service: Service) -> list[Piece]:
        if service.requests is None:
            return [("no figures", "$muted")]
        return [
            (f"{service.requests:.1f}", "bold"),
            (" req/s", "$muted"),
            (f"  {service.denied or 0:.1f}", "bold"),
            (" denied/s", "$muted"),
        ]

    def _brief_figures(self, service: Service) -> list[list[Piece]]:
        p50, p95 = milliseconds(service.p50_ms), milliseconds(service.p95_ms)
        if p50.endswith(" ms") and p95.endswith(" ms"):
            p50 = p50.removesuffix(" ms")
        figures: list[list[Piece]] = [[("p50 ", "$muted"), (p50, ""), (" p95 ", "$muted"), (p95, "")]]
        if service.requests is not None:
            denied = service.denied or 0.0
            figures.append([(rate(service.requests), "bold"), (" req/s", "$muted")])
            figures.append([(rate(denied), "bold"), (" denied/s", "$muted")])
        return figures

    def _drift(self, service: Service) -> list[list[Piece]]:
        return [
            [
                piece(f"{drift.key} {drift.live}", "bold $warning", 40),
                piece(f" (committed {drift.committed})", "$muted", 40),
            ]
            for drift in service.drift
        ]

    def _faults(self, service: Service, *, brief: bool = False) -> list[list[Piece]]:
        found: list[list[Piece]] = []
        for name, since in service.faults:
            elapsed = f" {age(self._now - since)}" if since is not None else ""
            how = "" if brief else f"  {_REVIVE.get(name, 'c clears')}"
            found.append([piece(f"{BOLT} {name}{elapsed}", "bold $error", 40), (how, "$muted")])
        return found

    def _full(self, service: Service, width: int, height: int) -> list[list[Piece]]:
        label = 10

        def row(name: str, pieces: list[Piece]) -> list[Piece]:
            return [(name.ljust(label), "$muted"), *pieces]

        lines = [row("state", self._state(service)), row("process", self._process(service, width - label))]
        if service.detail:
            style = "$warning" if service.state != "healthy" else "$muted"
            lines.append(row("", [piece(service.detail, style, width - label)]))
        rows = 2 if height >= 8 else 1
        drawn = spark(service.history, max(8, width - label - 12), rows, DECADES, latency_limit(service))
        for index, line in enumerate(drawn):
            last = index == len(drawn) - 1
            name = "latency" if index == 0 else "1ms–1s"
            lines.append(row(name, [*line, *([("  ", ""), self._last(service)] if last else [])]))
        lines.append(row("", self._numbers(service)))
        lines.append(row("traffic", self._traffic(service)))
        room = width - label
        lines.append(row("config", fit(self._drift(service), room) or [("as committed", "$muted")]))
        lines.append(row("faults", fit(self._faults(service), room) or [("none injected", "$muted")]))
        return lines

    def _compact(self, service: Service, width: int, height: int) -> list[list[Piece]]:
        first: list[list[Piece]] = [self._state(service), [(self._uptime(service), "")]]
        if service.restarts:
            first.append([(f"{service.restarts} restarts", "$warning")])
        if service.pid is not None:
            first.append([("pid ", "$muted"), (str(service.pid), "")])
        if service.port is not None:
            first.append([(f":{service.port}", "$muted")])
        last = self._last(service)
        graph = spark(service.history, max(6, width - len(last[0]) - 2), 1, DECADES, latency_limit(service))[0]
        lines = [fit(first, width), [*graph, ("  ", ""), last]]
        trouble = [*self._faults(service, brief=True), *self._drift(service)]
        if not trouble and service.detail:
            trouble = [[piece(service.detail, "$warning", width)]]
        figures = self._brief_figures(service)
        if height >= 4:
            lines.append(fit(figures, width))
            lines.append(fit(trouble, width) if trouble else [("config as committed, no faults", "$faint")])
        else:
            lines.append(fit(trouble or figures, width))
        return lines
