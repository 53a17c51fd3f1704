"""What went wrong with a request, in one line a person can act on, and whether another try makes sense.

Pure: works from the status, the error's type and code, and the headers. The wording of an endpoint's message is
shown but never branched on.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping

from agent.brains.brain import BrainError
from agent.brains.claude_endpoint import Endpoint

_SPEND = ("spend_limit", "billing", "credit")


def from_status(
    endpoint: Endpoint,
    *,
    status: int,
    kind: str | None,
    code: str | None,
    message: str,
    headers: Mapping[str, str],
    now: float,
) -> BrainError:
    """The error for an answer with an error status, or for an error event inside a stream (status 200)."""
    said = one_line(message, endpoint)
    who, wait = endpoint.who, retry_after(headers, now)
    if kind == "overloaded_error" or status == 529:
        return BrainError(f"{who} is overloaded", retry_after=10.0 if wait is None else wait)
    if any(word in f"{code or ''} {kind or ''}" for word in _SPEND) or status == 402:
        return BrainError(f"{who} refuses for billing reasons: {said}; raise the limit or add credit in its console")
    if status == 401 or kind == "authentication_error":
        return BrainError(f"{who} does not accept the key: {said}; set a valid ANTHROPIC_API_KEY")
    if status == 403 or kind == "permission_error":
        return BrainError(
            f"ANTHROPIC_API_KEY may not use model {endpoint.model} at {endpoint.where}: {said}; "
            "use another key or HARNESS_MODEL"
        )
    if status == 404 or kind == "not_found_error":
        return BrainError(
            f"{who} knows no model {endpoint.model}, or has no Messages API: {said}; "
            f"check HARNESS_MODEL{' and ANTHROPIC_BASE_URL' if endpoint.compatible else ''}"
        )
    if status == 429 or kind == "rate_limit_error":
        return BrainError(f"{who} limits the rate: {said}", retry_after=15.0 if wait is None else wait)
    if status == 413:
        return BrainError(f"the request is too large for {who}: {said}; finish the ticket by hand or split it")
    if status in (408, 409, 425) or kind == "timeout_error":
        return BrainError(f"{who} gave up on the request: {said}", retry_after=2.0 if wait is None else wait)
    if status >= 500 or kind == "api_error":
        number = f" ({status})" if status >= 500 else ""
        return BrainError(f"{who} failed{number}: {said}", retry_after=5.0 if wait is None else wait)
    return BrainError(f"{who} refuses the request ({status}): {said}; check HARNESS_MODEL")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the endpoint asks to wait, from ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    exact = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d{1,12}(\.\d+)?", exact):
        return float(exact) / 1000
    asked = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", asked):
        return float(asked)
    try:
        until = email.utils.parsedate_to_datetime(asked).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, until - now)


def refusal(details: Mapping[str, object], endpoint: Endpoint) -> BrainError:
    """The model declined; asking the same again gives the same, so a person is needed."""
    category = details.get("category")
    explained = details.get("explanation")
    about = f" ({category})" if isinstance(category, str) else ""
    why = f": {one_line(explained, endpoint)}" if isinstance(explained, str) and explained else ""
    return BrainError(f"{endpoint.model} refused to work on this{about}{why}; a person must take the ticket over")


def one_line(text: object, endpoint: Endpoint | None = None, limit: int = 200) -> str:
    """``text`` on one line, without control characters and without the key, at most ``limit`` characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if endpoint is not None and len(endpoint.key) >= 8:
        plain = plain.replace(endpoint.key, "[key]")
    plain = plain.rstrip(".") or "no reason given"
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
