"""An action: one tool call made concrete, and the digest that an approval is bound to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Effect = Literal["read_only", "reversible", "disruptive", "destructive", "external"]
Recovery = Literal["read", "probe", "opaque"]
"""What is done when a crash left an intent without a result: run it again, look at the world, or ask."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spare white space: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Action:
    """What would happen if this call ran now. Planning one never changes anything."""

    tool: str
    arguments: Mapping[str, Any]
    """Normalised: defaults filled in, nothing the tool does not know."""
    target: str
    """What it touches, in a person's words; shown first."""
    effect: Effect
    recovery: Recovery
    summary: str
    """One line made by rule: what this step does."""
    diff: str = ""
    """Unified diff or command line."""
    undo: str = ""
    pre_image: str = ""
    """Digest of what is about to be changed, as it is now."""
    head: str = ""
    """HEAD of the deployed copy when this was planned."""
    forbidden: str = ""
    """Why no mode and no person may allow it; empty when nothing forbids it."""
    settle: Mapping[str, Any] = field(default_factory=dict)
    """What a later process needs in order to see whether the effect took place."""

    def digest(self, policy_version: str) -> str:
        """SHA-256 over everything an approval must be bound to."""
        bound = {
            "tool": self.tool,
            "arguments": dict(self.arguments),
            "target": self.target,
            "pre_image": self.pre_image,
            "head": self.head,
            "policy": policy_version,
        }
        return hashlib.sha256(canonical(bound).encode()).hexdigest()
