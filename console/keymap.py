"""Every key of the console in one table: bindings, help, palette and key hints are all made from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from textual.binding import Binding


class Key(NamedTuple):
    """One action and its keys. ``scope`` says where it works; ``hint`` is the short word for the bottom line."""

    id: str
    keys: str
    action: str
    description: str
    scope: str
    group: str
    hint: str = ""
    shown: str = ""
    """How the keys are written for people; empty means as they are."""
    palette: bool = True

    @property
    def label(self) -> str:
        return self.shown or self.keys.replace(",", " ")


KEYMAP: tuple[Key, ...] = (
    Key(
        "play-dead",
        "space",
        "play_dead",
        "play dead: the service answers 503; again revives it",
        "main",
        "Chaos",
        "play dead",
    ),
    Key("latency", "z", "latency", "add 500 ms of latency; again removes it", "main", "Chaos", "latency"),
    Key("chaos", "c", "chaos", "chaos menu: every fault, inject and clear", "main", "Chaos", "chaos"),
    Key("new-ticket", "n", "new_ticket", "file a ticket", "main", "Work", "ticket"),
    Key("approvals", "a", "approvals", "review what waits for your approval", "main", "Work", "approve"),
    Key("open", "enter", "open", "open the ticket, or unfold the step", "main", "Work", shown="enter", palette=False),
    Key("filter", "slash", "filter", "filter tickets", "main", "Work", "filter", shown="/"),
    Key("logs", "l", "logs", "service log", "main", "Work", "logs"),
    Key(
        "pages",
        "left_square_bracket,right_square_bracket",
        "page",
        "older and newer pages of tickets",
        "table",
        "Work",
        shown="[ ]",
        palette=False,
    ),
    Key("stop", "K", "stop_resume", "stop everything at once; again resumes", "app", "Control", "stop"),
    Key("mode", "m", "mode", "next mode: observe, supervised, autonomous", "main", "Control", "mode"),
    Key("help", "question_mark,f1", "help", "this help", "app", "Console", "help", shown="? f1"),
    Key(
        "palette",
        "ctrl+p,colon",
        "command_palette",
        "every action by name",
        "app",
        "Console",
        shown="ctrl+p :",
        palette=False,
    ),
    Key("maximise", "f", "maximise", "give the focused panel the whole screen; again restores", "main", "Console"),
    Key("theme", "f2", "next_theme", "next theme: calm, high contrast", "app", "Console"),
    Key(
        "panel-1",
        "1",
        "panel('service')",
        "service, objectives, tickets, agent",
        "main",
        "Move",
        shown="1 … 4",
        palette=False,
    ),
    Key("panel-2", "2", "panel('objectives')", "", "main", "Move", palette=False),
    Key("panel-3", "3", "panel('tickets')", "", "main", "Move", palette=False),
    Key("panel-4", "4", "panel('agent')", "", "main", "Move", palette=False),
    Key(
        "next-panel", "tab,shift+tab", "focus_next", "next, previous panel", "help", "Move", palette=False, shown="tab"
    ),
    Key(
        "down-up", "j,k", "move", "down, up (arrows and page keys as well)", "help", "Move", shown="j k", palette=False
    ),
    Key(
        "ends",
        "g,G",
        "ends",
        "top, bottom; End follows the live text again",
        "help",
        "Move",
        shown="g G",
        palette=False,
    ),
    Key(
        "back",
        "escape",
        "back",
        "back one level: never approves, never quits",
        "main",
        "Move",
        shown="esc",
        palette=False,
    ),
    Key(
        "quit",
        "q",
        "leave",
        "quit (asks when an approval waits or a fault is on); ctrl+c twice at once",
        "app",
        "Console",
        "quit",
        shown="q ctrl+c",
    ),
    Key("ok", "a", "choose('approve')", "approve exactly what is shown", "approval", "Approval", palette=False),
    Key("no", "r", "choose('reject')", "reject with a reason", "approval", "Approval", palette=False),
    Key("edit", "e", "choose('edit')", "edit the arguments, then approve them", "approval", "Approval", palette=False),
    Key("later", "escape", "later", "decide later", "approval", "Approval", shown="esc", palette=False),
    Key("retry", "R", "retry", "put a failed or cancelled ticket back in the queue", "ticket", "Ticket", palette=False),
    Key("cancel", "x", "cancel", "cancel an open ticket", "ticket", "Ticket", palette=False),
    Key("log-follow", "s", "follow", "follow on, off", "log", "Log", palette=False),
    Key("log-filter", "slash", "filter", "filter lines", "log", "Log", shown="/", palette=False),
    Key("log-copy", "y", "copy", "copy the lines shown", "log", "Log", palette=False),
    Key("file", "ctrl+s", "file", "file the ticket, send the edit", "form", "Form", palette=False),
)


def bindings(*scopes: str) -> list[Binding]:
    """Textual bindings of the given scopes; none has priority, so a text field keeps what is typed."""
    return [
        Binding(key.keys, key.action, key.description, id=f"{key.scope}.{key.id}", show=False)
        for key in KEYMAP
        if key.scope in scopes
    ]


def groups() -> dict[str, list[Key]]:
    """The table by group, in order, for the help; a key without a description stands under the one before it."""
    found: dict[str, list[Key]] = {}
    for key in KEYMAP:
        if not key.description:
            continue
        found.setdefault(key.group, []).append(key)
    return found


def hints(scopes: Iterable[str]) -> list[Key]:
    """What the bottom line may offer."""
    wanted = set(scopes)
    return [key for key in KEYMAP if key.scope in wanted and key.hint]
