"""One finished step of the agent: folded to three lines, unfolded on request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from console.glyphs import ARROW, CALL, DOT, MORE, sign
from console.paint import NEWLINE, Painted, Piece, piece
from console.plain import plain

if TYPE_CHECKING:
    from console.slices import Call, Step

_MARKDOWN = re.compile(r"(^|\n)\s{0,3}(#{1,4} |[-*] |\d+\. |```|>)|\*\*|`[^`]+`|\|.+\|")
_MARK_GLYPHS = {"claimed": "▷", "verification": "◎", "note": "✎", "settled": "■"}
MAX_LINES = 60
_SAYS_SOMETHING = 12
"""Characters from which a result's first line stands for it; a shorter one is a bracket, and the rest is joined on."""


def call_lines(call: Call, width: int, expanded: bool) -> list[list[Piece]]:
    """A call as lines: the call itself, then its chip and the first line of its result."""
    indent = "    "
    shown = sign(CALL, call.verdict)
    room = width - len(indent)
    arguments = plain(call.arguments)
    name = plain(call.tool, limit=40)
    if not expanded and len(name) + len(arguments) + 2 > room:
        arguments = plain(arguments, limit=max(3, room - len(name) - 2))
    lines: list[list[Piece]] = [[(indent, ""), (name, "$accent"), (f"({arguments})", "$muted")]]
    second: list[Piece] = [(indent, "")]
    if call.chip:
        words = plain(call.chip, limit=max(10, room - 4))
        second.append((f"{shown.glyph} {words}", shown.style))
    result = plain(call.result, lines=True).strip()
    if not call.outcome and not result:
        return [*lines, second] if call.chip else lines
    bad = call.outcome not in ("", "ok")
    first = result.split("\n", 1)[0].strip()
    text = " ".join(first.split() if len(first) > _SAYS_SOMETHING else result.split()) or call.outcome
    if bad and call.outcome not in text:
        text = f"{call.outcome}: {text}"
    style = "$warning" if bad else "$muted"
    if call.chip and (expanded or room - len(call.chip) - 7 < max(24, min(len(text), 48))):
        lines.append(second)
        second = [(indent, "")]
    elif call.chip:
        second.append(("  ", ""))
    used = sum(len(text) for text, _ in second)
    second.append((f"{ARROW} ", "$faint"))
    if not expanded:
        return [*lines, [*second, (plain(text, limit=max(12, width - used - 2)), style)]]
    shown_lines = result.split("\n") if result else [text]
    lines.append([*second, (shown_lines[0], style)])
    lines += [[(f"{indent}  ", ""), (line, style)] for line in shown_lines[1:MAX_LINES]]
    if len(shown_lines) > MAX_LINES:
        lines.append([(f"{indent}  {MORE} {len(shown_lines) - MAX_LINES} more lines", "$faint")])
    return lines


def step_lines(step: Step, width: int, expanded: bool) -> list[list[Piece]]:
    if step.kind != "turn":
        glyph = _MARK_GLYPHS.get(step.kind, DOT)
        lines: list[list[Piece]] = [[(f" {glyph}  ", "$accent"), piece(step.summary, "$muted", max(8, width - 4))]]
        if expanded and step.detail:
            lines += [[("    ", ""), (line, "$muted")] for line in plain(step.detail, lines=True).split("\n")]
        return lines
    head = f"[{step.number}] "
    lines = [[(head, "$faint"), ("# ", "$accent"), piece(step.summary, "bold", max(8, width - len(head) - 3))]]
    if expanded and step.thinking:
        for line in plain(step.thinking, lines=True, limit=3_000).strip().split("\n")[:MAX_LINES]:
            lines.append([("    ", ""), (line, "$faint italic")])
    for call in step.calls:
        lines += call_lines(call, width, expanded)
    return lines


class StepView(Vertical):
    """A step; a click or Enter unfolds it. Prose of a model is rendered as Markdown, once, when unfolded."""

    class Toggled(Message):
        def __init__(self, view: StepView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, step: Step) -> None:
        super().__init__(classes="step")
        self.step = step
        self.expanded = False
        self._body = Painted()
        self._prose: Painted | None = None

    def compose(self) -> ComposeResult:
        yield self._body

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self, event: events.Resize) -> None:
        self.draw()

    def show(self, step: Step) -> None:
        if step != self.step:
            self.step = step
            self.draw()

    async def toggle(self) -> None:
        self.expanded = not self.expanded
        self.draw()
        if self.expanded and self._prose is None and self.step.text.strip():
            self._prose = Painted(classes="prose")
            await self.mount(self._prose)
            self._prose.update(self._rendered(self.step.text))
        if self._prose is not None:
            self._prose.display = self.expanded

    def _rendered(self, text: str) -> Content | ConsoleRenderable:
        safe = plain(text, lines=True)
        if not _MARKDOWN.search(safe):
            return Content(safe)
        from rich.markdown import Markdown

        return Markdown(safe, hyperlinks=False)

    def draw(self) -> None:
        width = self.size.width or (self.parent.size.width if isinstance(self.parent, Vertical) else 0) or 60
        joined: list[Piece] = []
        lines: Sequence[list[Piece]] = step_lines(self.step, width, self.expanded)
        for index, line in enumerate(lines):
            if index:
                joined.append(NEWLINE)
            joined += line
        self._body.paint(joined)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Toggled(self))
