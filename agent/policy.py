"""What may run: one pure function from an action and a mode to allow, ask or deny.

Deny beats ask beats allow, and what no rule names is asked. Nothing a brain says, and nothing read from a
log, a file or a ticket, is an input here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.action import Action

POLICY_VERSION = "builtin-1"
LEDGER_TOOLS = frozenset({"create_ticket", "add_note", "finish_ticket"})


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Literal["allow", "ask", "deny"]
    rule: str
    reason: str


def decide(action: Action, mode: str) -> Decision:
    """The verdict of the policy on ``action`` in ``mode`` (observe, supervised or autonomous)."""
    if action.forbidden:
        return Decision("deny", "forbidden", action.forbidden)
    if action.tool in LEDGER_TOOLS:
        return Decision("allow", "ledger-only", "it writes to the ticket and touches nothing else")
    if mode == "observe" and (action.effect != "read_only" or action.tool == "run_command"):
        return Decision("deny", "observe-mode", "in observe mode changes are proposed and recorded, never made")
    if action.tool == "run_command":
        return Decision("ask", "commands-ask", "a command runs only when a person allows this exact one")
    if action.effect == "read_only":
        return Decision("allow", "read-only", "it only looks")
    if mode == "autonomous" and action.effect == "reversible":
        return Decision("allow", "autonomous-reversible", "it can be undone, and the mode is autonomous")
    if mode == "supervised" or mode == "autonomous":
        return Decision("ask", f"{action.effect}-asks", f"a {action.effect} action needs a person in {mode} mode")
    return Decision("ask", "default-ask", f"no rule allows it in mode {mode!r}")
