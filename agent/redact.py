"""Secrets out of text before it reaches the journal, a model, the screen or an export.

A cheap literal test decides whether the expression runs at all, since most lines of most logs hold no secret.
The same secret gets the same mark within one process, so that a reader can still see that two are equal.
"""

from __future__ import annotations

import hmac
import re
import secrets as _secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

_KEY = _secrets.token_bytes(16)
_HINTS = (
    "key", "token", "secret", "passw", "pwd", "auth", "bearer", "cookie", "credential", "private",
    "sk-", "ghp_", "gho_", "ghs_", "github_pat", "xox", "akia", "asia", "aiza", "eyj", "glpat", "hf_", "://",
)  # fmt: skip
_PATTERNS = re.compile(
    r"""
    (?P<pem>-----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z))
  | (?P<known>\b(?:sk-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}
      |xox[abprs]-[A-Za-z0-9\-]{10,}|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_\-]{30,}|glpat-[A-Za-z0-9_\-]{16,}
      |hf_[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*))
  | (?<=://)(?P<user>[^\s/:@]{1,100}):(?P<url>[^\s/@]{1,200})(?=@)
  | (?P<lead>(?:authorization|proxy-authorization|cookie|set-cookie|x-api-key)["']?\s*[:=]\s*["']?
      (?:(?:bearer|basic|token)\s+)?)(?P<header>[^\s"',;]{4,})
  | (?P<name>[A-Za-z0-9_.\-]*(?:api[_\-]?key|secret|passw(?:or)?d|passphrase|pwd|access[_\-]?token|auth[_\-]?token
      |refresh[_\-]?token|private[_\-]?key|client[_\-]?secret|credential)[A-Za-z0-9_.\-]*["']?\s*[:=]\s*["']?)
      (?P<value>[^\s"',;&]{4,})
  | (?P<bearer>\bbearer\s+)(?P<opaque>[A-Za-z0-9._~+/\-]{12,}=*)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def _mark(secret: str) -> str:
    return f"[redacted {hmac.new(_KEY, secret.encode(), sha256).hexdigest()[:6]}]"


def _replace(match: re.Match[str]) -> str:
    if match["url"] is not None:
        return f"{match['user']}:{_mark(match['url'])}"
    if match["header"] is not None:
        return match["lead"] + _mark(match["header"])
    if match["value"] is not None:
        return match["name"] + _mark(match["value"])
    if match["opaque"] is not None:
        return match["bearer"] + _mark(match["opaque"])
    return _mark(match[0])


def redact(text: str) -> str:
    """``text`` with what looks like a secret replaced by a mark that is stable in this process."""
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    return _PATTERNS.sub(_replace, text)


def redact_tree(value: Any) -> Any:
    """The same for every string inside a JSON-like value; a value under a telling key is replaced whole."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _member(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return value


_TELLING = re.compile(r"(?i)(?:^|[_\-.])(?:api[_\-]?key|secret|passw(?:or)?d|passphrase|token|private[_\-]?key)$")


def _member(key: str, value: Any) -> Any:
    if isinstance(value, str) and len(value) >= 4 and _TELLING.search(key) and not value.startswith("[redacted "):
        return _mark(value)
    return redact_tree(value)
