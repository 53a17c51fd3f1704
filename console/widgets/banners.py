"""Full-width lines that appear only when something needs to be known: stopped, a failed loop, waiting approvals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from console.glyphs import STOP
from console.paint import Painted, Piece, piece
from console.timefmt import age, span

if TYPE_CHECKING:
    from console.slices import ApprovalRow, ControlSlice


def stopped_pieces(control: ControlSlice, now: float) -> list[Piece]:
    """That everything is stopped, by whom and since when, and the key that resumes."""
    since = f" {age(now - control.at)} ago" if control.at is not None else ""
    by = control.by or "someone"
    told = f": {control.reason}" if control.reason else ""
    return [
        (f" {STOP} STOPPED ", "bold reverse"),
        ("  nothing runs until ", "bold"),
        ("K", "bold underline"),
        (" resumes", "bold"),
        piece(f"  by {by}{since}{told}", "", 90),
    ]


class StoppedLine(Painted):
    """The same line for a screen that covers the main one; there only while everything is stopped."""

    def __init__(self) -> None:
        super().__init__(classes="stopped-line")
        self.display = False

    def show(self, control: ControlSlice, now: float) -> None:
        self.display = control.stopped
        if control.stopped:
            self.paint(stopped_pieces(control, now))


class Banners(Vertical):
    """Never takes the focus, never covers anything."""

    def __init__(self) -> None:
        super().__init__(id="banners")
        self._stopped = Painted(id="banner-stopped")
        self._loops = Painted(id="banner-loops")
        self._silent = Painted(id="banner-silent")
        self._approvals = Painted(id="banner-approvals")

    def compose(self) -> ComposeResult:
        for line in (self._stopped, self._loops, self._silent, self._approvals):
            line.display = False
            yield line

    def show(
        self,
        control: ControlSlice,
        loops: Mapping[str, str],
        waiting: Sequence[ApprovalRow],
        now: float,
        silent: str = "",
    ) -> None:
        """``silent`` says that nothing is measured any more, and what to do about it; empty when all is well."""
        self._stopped.display = control.stopped
        if control.stopped:
            self._stopped.paint(stopped_pieces(control, now))
        self._loops.display = bool(loops)
        if loops:
            said: list[Piece] = []
            for name, reason in loops.items():
                said += [
                    piece(f" ✗ {name} stopped: ", "bold"),
                    piece(reason, "", 300),
                    (" (it restarts by itself) ", ""),
                ]
            self._loops.paint(said)
        self._silent.display = bool(silent)
        if silent:
            self._silent.paint([piece(f" ? {silent}", "", 160)])
        self._approvals.display = bool(waiting)
        if waiting:
            first = waiting[0]
            left = f"{span(first.expires_at - now)} left" if first.expires_at is not None else ""
            self._approvals.paint(
                [
                    (f" ◆ {len(waiting)} waiting for your approval ", "bold reverse"),
                    ("  press ", ""),
                    ("a", "bold underline"),
                    (" to review  ", ""),
                    (f"{left}  ", ""),
                    piece(f"{first.tool} {first.target}", "bold", 60),
                ]
            )
