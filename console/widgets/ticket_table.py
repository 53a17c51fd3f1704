"""The ticket queue: reconciled by ticket id, so that the cursor stays on its ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.message import Message
from textual.widgets import DataTable, Input
from textual.widgets.data_table import RowDoesNotExist

from console.glyphs import PRIORITY, TICKET, sign
from console.paint import Painted, Piece, assemble
from console.plain import plain
from console.timefmt import age

if TYPE_CHECKING:
    from console.slices import TicketRow

PAGE = 200
_PRIORITY_RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_SOURCES = {"invariant": "invar", "anomaly": "anom", "schedule": "sched", "webhook": "hook"}
_COLUMNS = ("id", "age", "priority", "source", "objective", "status")
_LABELS = {
    "id": "id",
    "age": "age",
    "priority": "priority",
    "source": "source",
    "objective": "objective",
    "status": "status",
}


def ordered(tickets: Mapping[int, TicketRow], needle: str = "") -> list[TicketRow]:
    """Open tickets by urgency, then closed ones, newest first; only those that match ``needle``."""
    words = needle.lower().split()

    def matches(row: TicketRow) -> bool:
        text = f"#{row.id} {row.subject} {row.source} {row.priority} {row.status} {row.outcome} {row.objective}".lower()
        return all(word in text for word in words)

    rows = [row for row in tickets.values() if not words or matches(row)]
    rows.sort(key=lambda row: (not row.is_open, _PRIORITY_RANK.get(row.priority, 9) if row.is_open else 0, -row.id))
    return rows


class Queue(DataTable[Text]):
    """The table itself; vi keys beside the arrows, and no key that the main screen needs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "scroll_top", show=False),
        Binding("G", "scroll_bottom", show=False),
        Binding("left_square_bracket", "turn(-1)", show=False),
        Binding("right_square_bracket", "turn(1)", show=False),
    ]

    class Turned(Message):
        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    def action_turn(self, pages: int) -> None:
        self.post_message(self.Turned(pages))


class TicketsPanel(Vertical):
    """The queue with its filter line."""

    class Opened(Message):
        """A ticket was chosen."""

        def __init__(self, ticket_id: int) -> None:
            super().__init__()
            self.ticket_id = ticket_id

    def __init__(self) -> None:
        super().__init__(id="tickets", classes="panel")
        self.border_title = Content.assemble(("3 ", "$faint"), ("Tickets", "bold"))
        self._table = Queue(id="ticket-table", cursor_type="row", cursor_foreground_priority="renderable")
        self._filter = Input(placeholder="filter: words, #id, status …", id="ticket-filter", compact=True)
        self._empty = Painted(id="tickets-empty")
        self._tickets: Mapping[int, TicketRow] | None = None
        self._now = 0.0
        self._page = 0
        self._cells: dict[int, tuple[tuple[str, str], ...]] = {}
        self._order: list[int] = []
        self._titles: tuple[Piece, ...] = ()
        self._widths = (0, 0)

    def compose(self) -> ComposeResult:
        yield self._table
        yield self._empty
        yield self._filter

    def on_mount(self) -> None:
        for key in _COLUMNS:
            self._table.add_column(Text(_LABELS[key]), width=9, key=key)
        self._filter.display = False
        self._empty.paint([("starting …", "$muted")])
        self._table.cell_padding = 0

    @property
    def selected(self) -> int | None:
        """The ticket under the cursor."""
        row = self._table.cursor_row
        return self._order[row] if 0 <= row < len(self._order) else None

    def focus_table(self) -> None:
        self._table.focus()

    def open_filter(self) -> None:
        self._filter.display = True
        self._filter.focus()

    def close_filter(self) -> bool:
        """Clear and hide the filter; False when there was none."""
        if not self._filter.display:
            return False
        self._filter.value = ""
        self._filter.display = False
        self._table.focus()
        return True

    def show(self, tickets: Mapping[int, TicketRow] | None, now: float) -> None:
        if tickets is not self._tickets or int(now) != int(self._now):
            self._tickets, self._now = tickets, now
            self._reconcile()

    def on_resize(self, event: events.Resize) -> None:
        width = self.size.width
        wide = width >= 70
        source = 10 if wide else 6
        status = 16 if wide else 13
        priority = 11 if wide else 3
        objective = max(8, width - 6 - 5 - priority - source - status - 1)
        if (objective, source) == self._widths or width <= 0:
            return
        self._widths = (objective, source)
        sizes = {"id": 6, "age": 5, "priority": priority, "source": source, "objective": objective, "status": status}
        for key, column in self._table.columns.items():
            column.width = sizes[str(key.value)]
            label = "from" if key.value == "source" and not wide else _LABELS[str(key.value)]
            column.label = Text(label if len(label) < column.width else "")
        self._cells.clear()
        self._table._require_update_dimensions = True
        self._reconcile()
        self._table.refresh(layout=True)

    def restyle(self) -> None:
        """Draw every cell again, after the theme changed."""
        self._cells.clear()
        self._reconcile()

    def _cells_of(self, row: TicketRow) -> tuple[tuple[str, str], ...]:
        status, priority = sign(TICKET, row.status), sign(PRIORITY, row.priority)
        quiet = "muted" if not row.is_open else ""
        objective, source = self._widths
        word = status.word
        if row.outcome:
            word = row.outcome.replace("_", " ")
        since = row.created_at if row.is_open else row.closed_at or row.created_at
        repeated = f" ×{row.occurrences}" if row.occurrences > 1 else ""
        return (
            (f"#{row.id}", quiet or "muted"),
            (age(self._now - since) if since is not None else "–", "muted"),
            (f"{priority.glyph} {priority.word}" if source > 6 else priority.glyph, quiet or priority.role),
            (plain(row.source if source > 6 else _SOURCES.get(row.source, row.source), limit=source - 1), "muted"),
            (plain(row.objective, limit=max(1, objective - 1 - len(repeated))) + repeated, quiet),
            (f"{status.glyph} {plain(word, limit=13 if source > 6 else 10)}", status.role),
        )

    def _text(self, cell: tuple[str, str]) -> Text:
        text, role = cell
        color = self.app.theme_variables.get(role) if role and not self.app.no_color else None
        return Text(text, style=color or "", no_wrap=True, overflow="ellipsis", end="")

    def _reconcile(self) -> None:
        if self._tickets is None or not self._table.columns or not self._widths[0]:
            return
        rows = ordered(self._tickets, self._filter.value)
        pages = max(1, -(-len(rows) // PAGE))
        self._page = min(self._page, pages - 1)
        visible = rows[self._page * PAGE : (self._page + 1) * PAGE]
        order = [row.id for row in visible]
        held, wanted = self.selected, set(order)
        follow_top = self._table.cursor_row <= 0 and not self._table.has_focus
        for gone in [ticket for ticket in self._cells_known() if ticket not in wanted]:
            self._table.remove_row(str(gone))
            self._cells.pop(gone, None)
        present = self._cells_known()
        added = False
        for row in visible:
            cells = self._cells_of(row)
            before = self._cells.get(row.id)
            if row.id not in present:
                self._table.add_row(*[self._text(cell) for cell in cells], key=str(row.id))
                added = True
            elif before != cells:
                for index, cell in enumerate(cells):
                    if before is None or before[index] != cell:
                        self._table.update_cell(str(row.id), _COLUMNS[index], self._text(cell), update_width=False)
            self._cells[row.id] = cells
        if added or order != self._order:
            rank = {f"#{ticket}": place for place, ticket in enumerate(order)}
            self._table.sort("id", key=lambda cell: rank[cell.plain])
            self._order = order
            target = order[0] if follow_top and order else held
            if target in wanted and target is not None:
                try:
                    place = self._table.get_row_index(str(target))
                except RowDoesNotExist:
                    place = 0
                if place != self._table.cursor_row:
                    self._table.move_cursor(row=place, animate=False, scroll=True)
        self._titles_for(rows, pages)

    def _cells_known(self) -> set[int]:
        return {int(str(key.value)) for key in self._table.rows}

    def _titles_for(self, rows: list[TicketRow], pages: int) -> None:
        open_count = sum(row.is_open for row in rows)
        aside: list[Piece] = [("3 ", "$faint"), ("Tickets", "bold")]
        if rows:
            aside.append((f"  {open_count} open" if open_count else "  none open", "$muted"))
        if self._filter.value:
            aside.append((f"  / {plain(self._filter.value, limit=20)}", "$accent"))
        if pages > 1:
            aside.append((f"  page {self._page + 1} of {pages} [ ]", "$muted"))
        if tuple(aside) != self._titles:
            self._titles = tuple(aside)
            self.border_title = assemble(aside)
        said: list[Piece] = []
        if not rows and self._filter.value:
            said = [("nothing matches; esc clears the filter", "$muted")]
        elif not rows:
            said = [("No tickets. All is quiet.\n", "$muted"), ("n", "bold $accent"), (" files one by hand.", "$faint")]
        self._empty.paint(said)
        self._empty.display = bool(said)
        self.set_class(bool(said), "-empty")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._page = 0
        self._reconcile()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._filter.display = bool(self._filter.value)
        self._table.focus()

    def on_queue_turned(self, event: Queue.Turned) -> None:
        event.stop()
        self._page = max(0, self._page + event.pages)
        self._reconcile()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        try:
            if event.row_key.value is not None:
                self.post_message(self.Opened(int(event.row_key.value)))
        except (NoMatches, ValueError):
            return
