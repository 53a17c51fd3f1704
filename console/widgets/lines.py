"""A long list of lines of which only those in view are drawn: follow, filter, colour by level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.plain import plain

_LEVEL = re.compile(r"\b(error|critical|fatal|warning|warn)\b", re.IGNORECASE)


class Lines(ScrollView, can_focus=True):
    """Shows ``lines`` that contain every word of ``needle``; ``following`` keeps the newest in view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G,end", "follow", show=False),
    ]
    following = reactive(True)

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._all: Sequence[str] = ()
        self._needle = ""
        self.shown: list[str] = []
        self.placeholder = ""
        """What stands where no line is shown."""

    def put(self, lines: Sequence[str]) -> None:
        """Replace the lines; equal ones draw nothing."""
        if lines != self._all or not self.shown:
            self._all = lines
            self._refilter()

    def narrow(self, needle: str) -> None:
        self._needle = needle
        self._refilter()

    @property
    def total(self) -> int:
        return len(self._all)

    def _refilter(self) -> None:
        words = self._needle.lower().split()
        self.shown = [plain(line, limit=2_000) for line in self._all if all(word in line.lower() for word in words)]
        width = max((len(line) for line in self.shown), default=0)
        self.virtual_size = Size(width, len(self.shown))
        self.refresh()
        if self.following:
            self.call_after_refresh(self._to_end)

    def _to_end(self) -> None:
        if self.following and self.is_attached:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        at_end = new_value >= self.max_scroll_y
        if new_value < old_value:
            self.following = at_end
        elif at_end:
            self.following = True

    def action_follow(self) -> None:
        self.following = True
        self.scroll_to(y=self.max_scroll_y, animate=False)

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        index = top + y
        width = self.size.width
        if not self.shown and y == 0 and self.placeholder:
            faded = self.rich_style + RichStyle(color=self.app.theme_variables.get("muted"))
            return Strip([Segment(self.placeholder, faded)]).crop_extend(0, width, self.rich_style)
        if index >= len(self.shown):
            return Strip.blank(width, self.rich_style)
        line = self.shown[index]
        style = self.rich_style
        found = _LEVEL.search(line[:400])
        if found:
            role = "warning" if found.group().lower().startswith("warn") else "error"
            style += RichStyle(color=self.app.theme_variables.get(role), bold=role == "error")
        return Strip([Segment(line, style)]).crop_extend(left, left + width, self.rich_style)
