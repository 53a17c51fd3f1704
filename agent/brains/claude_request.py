"""A request: the prompt, what it asks for beyond the bare Messages API, and how that shrinks.

Pure. Older models and compatible servers answer 400 to options they do not know; the brain then leaves the named
option out and remembers it, so that the probe costs one request once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.brains import prompt
from agent.brains.brain import Brief, Exchange
from agent.brains.claude_endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Options:
    """Which optional features a request uses."""

    thinking: bool = True
    """Ask for adaptive thinking."""
    display: bool = True
    """Ask that thinking be summarised to us rather than left out."""
    cache: bool = True
    """Mark what may be cached."""
    ttl: bool = True
    """Ask for the one-hour cache."""
    replay: bool = True
    """Send earlier signed thinking blocks back."""

    def fields(self, *, patient: bool) -> dict[str, Any]:
        """The top-level request fields; ``patient`` when a person may be waited for longer than five minutes."""
        made: dict[str, Any] = {}
        if self.thinking:
            made["thinking"] = {"type": "adaptive"}
            if self.display:
                made["thinking"]["display"] = "summarized"
        if self.cache:
            # At the top level it moves with the conversation and leaves the bytes of earlier messages alone.
            made["cache_control"] = self.marker(patient=patient)
        return made

    def marker(self, *, patient: bool) -> dict[str, Any]:
        """One cache breakpoint."""
        if self.ttl and patient:
            return {"type": "ephemeral", "ttl": "1h"}
        return {"type": "ephemeral"}


BARE = Options(thinking=False, display=False, cache=False, ttl=False, replay=False)


def reduced(options: Options, complaint: str, *, compatible: bool) -> Options | None:
    """What to try next after a 400 that says ``complaint``; None when nothing is left to leave out.

    An endpoint that is not Anthropic's may complain without naming anything, so there everything optional goes at once.
    """
    text = complaint.lower()
    if "signature" in text and options.replay:
        return replace(options, replay=False)
    if "display" in text and options.display and options.thinking:
        return replace(options, display=False)
    if any(word in text for word in ("thinking", "reasoning")) and (options.thinking or options.replay):
        return replace(options, thinking=False, display=False, replay=False)
    if "ttl" in text and options.ttl and options.cache:
        return replace(options, ttl=False)
    if "cache" in text and options.cache:
        return replace(options, cache=False, ttl=False)
    if compatible and options != BARE:
        return BARE
    return None


def request(
    endpoint: Endpoint,
    options: Options,
    brief: Brief,
    history: Sequence[Exchange],
    *,
    max_tokens: int,
    paused: Sequence[Sequence[Mapping[str, Any]]] = (),
) -> dict[str, Any]:
    """The arguments of ``messages.create``; ``paused`` are the blocks of this turn's messages that want to go on."""
    patient = brief.mode != "autonomous"
    built = prompt.build(brief, history, model=endpoint.model, replay=options.replay)
    if paused:
        blocks = [dict(block) for message in paused for block in message]
        built.messages.append({"role": "assistant", "content": blocks})
    if options.cache:
        # Rules and tools outlive the ticket: the long cache is worth its price there.
        built.system[-1]["cache_control"] = options.marker(patient=True)
    made: dict[str, Any] = {
        "model": endpoint.model,
        "max_tokens": max_tokens,
        "system": built.system,
        "messages": built.messages,
        "stream": True,
        **options.fields(patient=patient),
    }
    if built.tools:
        made["tools"] = built.tools
    return made
