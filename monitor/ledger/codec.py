"""Text and JSON on their way into and out of rows."""

from __future__ import annotations

import json
import re
from typing import Any

from monitor.ledger.errors import LedgerError

MAX_PAYLOAD_BYTES = 256 * 1024
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without what no engine can store: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def canonical(value: Any) -> str:
    """``value`` as the one JSON text that equal values share. Raises ``LedgerError`` if it is not JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise LedgerError(f"the ledger stores JSON only, and this value is not JSON: {error}") from error
    return clean(text)


def bounded(value: Any, what: str) -> str:
    """``canonical(value)``; raises ``LedgerError`` when it is larger than 256 KiB."""
    text = canonical(value)
    size = len(text) if text.isascii() else len(text.encode())
    if size > MAX_PAYLOAD_BYTES:
        raise LedgerError(
            f"{what} is {size // 1024} KiB and the ledger takes {MAX_PAYLOAD_BYTES // 1024} KiB at most;"
            " shorten it or store a reference"
        )
    return text


def decoded(text: str, where: str) -> Any:
    """The value behind a stored JSON text; ``where`` names the row in the error."""
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise LedgerError(
            f"{where} in the ledger is damaged (its JSON cannot be read: {error});"
            " `harness audit verify` tells how far the damage goes"
        ) from error
