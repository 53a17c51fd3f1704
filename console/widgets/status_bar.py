"""The top line: what is watched, how it is, who decides, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal

from console.glyphs import BOLT, MODE, STOP, SUBJECT, sign
from console.paint import Painted, Piece, piece, signed, width_of

if TYPE_CHECKING:
    from console.slices import ControlSlice, Service


class Overview(NamedTuple):
    """Everything the status bar shows."""

    service: Service | None = None
    control: ControlSlice | None = None
    brain: str = ""
    viewer: bool = False
    sandbox: str = ""
    waiting: int = 0
    loops: tuple[str, ...] = ()
    busy: str = ""
    stale: bool = False
    """The last sample is too old for the state to be believed."""


class StatusBar(Horizontal):
    def __init__(self) -> None:
        super().__init__(id="status-bar")
        self._left = Painted(id="status-left")
        self._right = Painted(id="status-right")
        self._overview = Overview()

    def compose(self) -> ComposeResult:
        yield self._left
        yield self._right

    def show(self, overview: Overview) -> None:
        if overview != self._overview:
            self._overview = overview
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        view, width = self._overview, self.size.width
        if width <= 0:
            return
        stopped = view.control is not None and view.control.stopped
        self.set_class(stopped, "-stopped")
        right: list[Piece] = []
        if view.busy:
            right.append(piece(f"… {view.busy} ", "$accent", 34))
        for loop in view.loops:
            right.append(piece(f" ✗ {loop} loop failed ", "bold $error", 30))
        if view.viewer:
            right.append((" viewer ", "bold $accent on $chip"))
        if view.sandbox:
            right += [(" ", ""), piece(f" {'sandbox ' if width >= 100 else ''}{view.sandbox} ", "$muted on $chip", 28)]
        if view.waiting:
            right += [(" ", ""), (f" ◆ {view.waiting} waiting ", "bold $ask-ink on $ask")]
        if stopped:
            right += [(" ", ""), (f" {STOP} STOPPED ", "bold $alarm-ink on $alarm")]
        room = width - width_of(right) - 1
        parts: list[tuple[int, list[Piece]]] = [(9, [(" harness ", "bold $accent")])]
        if view.service is None:
            parts.append((1, [("  ◌ starting …", "$muted")]))
        else:
            parts.append((8, [piece(f"  {view.service.subject}", "bold", 24)]))
            state = sign(SUBJECT, view.service.state)
            if view.stale and view.service.state != "stopped":
                parts.append((1, [("  ", ""), ("? stale", "bold $warning")]))
            else:
                parts.append((1, [("  ", ""), signed(state)]))
        if view.control is not None:
            mode = sign(MODE, view.control.mode)
            parts.append((2, [("  ", ""), signed(mode, bold=False)]))
        if view.brain:
            parts.append((5, [("  ", ""), piece(view.brain, "$muted", 48)]))
        for name, _ in view.service.faults if view.service is not None else ():
            parts.append((6, [("  ", ""), piece(f" {BOLT} {name} ", "bold $alarm-ink on $alarm", 24)]))
        if sum(width_of(pieces) for _, pieces in parts) > room:
            parts = [
                (5, [("  ", ""), piece(view.brain, "$muted", 28)]) if rank == 5 else (rank, said)
                for rank, said in parts
            ]
        while len(parts) > 1 and sum(width_of(pieces) for _, pieces in parts) > room:
            parts.remove(max(parts, key=lambda part: part[0]))
        self._left.paint([item for _, pieces in parts for item in pieces])
        self._right.paint(right)
