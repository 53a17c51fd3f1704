"""From whole messages to a turn, or to the reason why a whole message must still not be acted upon. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.brains import claude_errors
from agent.brains.brain import BrainError, Turn, Usage
from agent.brains.claude_endpoint import Endpoint
from agent.brains.claude_stream import CUT_RETRY, Message, damaged


class AnswerTooLong(BrainError):
    """The answer was cut for lack of room; another try needs more of it."""


def judge(message: Message, endpoint: Endpoint) -> None:
    """Refuse a message that came whole but is not the end of a sound turn.

    Raises:
        AnswerTooLong: it ran into ``max_tokens``.
        BrainError: it is a refusal, or ended for a reason nobody here understands.
    """
    reason = message.stop_reason
    if reason == "refusal":
        raise claude_errors.refusal(message.stop_details, endpoint)
    if reason == "max_tokens":
        raise AnswerTooLong(
            "the answer needed more room than it was given and was cut; nothing of it is used", retry_after=CUT_RETRY
        )
    if reason == "model_context_window_exceeded":
        raise BrainError(
            f"the ticket's history no longer fits {endpoint.model}; finish the ticket by hand or retry it afresh"
        )
    if reason not in ("tool_use", "end_turn", "stop_sequence"):
        shown = claude_errors.one_line(reason)
        raise BrainError(f"{endpoint.who} ended the turn as {shown!r}, unknown here; nothing of it is used")
    if reason == "tool_use" and not message.calls:
        raise damaged("it announces a tool call and holds none")


def joined(parts: Sequence[Message], model: str) -> Turn:
    """One turn of a message and of the paused ones that led to it."""
    last = parts[-1]
    return Turn(
        calls=last.calls,
        text="\n\n".join(part.text for part in parts if part.text),
        thinking="\n\n".join(part.thinking for part in parts if part.thinking),
        stop_reason=last.stop_reason,
        model=model,
        usage=_total(parts),
        blocks=tuple(block for part in parts for block in part.blocks),
    )


def _total(parts: Sequence[Message]) -> Usage:
    total = Usage()
    for part in parts:
        total = replace(
            total,
            input_tokens=total.input_tokens + part.usage.input_tokens,
            output_tokens=total.output_tokens + part.usage.output_tokens,
            cache_read_tokens=total.cache_read_tokens + part.usage.cache_read_tokens,
            cache_write_tokens=total.cache_write_tokens + part.usage.cache_write_tokens,
        )
    return total
