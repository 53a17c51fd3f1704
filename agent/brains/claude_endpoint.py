"""Who the claude brain talks to: worked out of the settings, without touching the network."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from agent.brains.brain import BrainError

HOME = "https://api.anthropic.com"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, the model asked for there, and the key for it."""

    where: str
    model: str
    key: str = ""
    compatible: bool = False
    """It is not Anthropic's own."""

    @property
    def who(self) -> str:
        return f"the endpoint at {self.where}" if self.compatible else "the Claude API"

    @property
    def setting(self) -> str:
        """What to check when nothing answers."""
        return "ANTHROPIC_BASE_URL" if self.compatible else "the network connection"

    @property
    def loopback(self) -> bool:
        host = urlsplit(self.where).hostname or ""
        with suppress(ValueError):
            return ipaddress.ip_address(host).is_loopback
        return host == "localhost"

    def check(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            BrainError: naming the setting and the mend; never worth another try.
        """
        try:
            parts = urlsplit(self.where)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise BrainError(f"ANTHROPIC_BASE_URL is {self.where!r}; give an http:// or https:// address")
        if not self.key:
            raise BrainError("there is no key for the Claude API; set ANTHROPIC_API_KEY, or HARNESS_BRAIN=runbook")
        if not (self.key.isascii() and self.key.isprintable()):
            raise BrainError("ANTHROPIC_API_KEY holds characters that no key has; set it again")


def endpoint(api_key: str | None, base_url: str | None, model: str) -> Endpoint:
    """The endpoint these settings name; what is wrong with them is said by ``check``.

    A compatible endpoint needs no key: local servers ignore it, so one is made up.
    """
    base = (base_url or "").strip().rstrip("/").removesuffix("/v1") or HOME
    try:
        host = urlsplit(base).hostname or ""
    except ValueError:
        host = ""
    theirs = host != "anthropic.com" and not host.endswith(".anthropic.com")
    key = (api_key or "").strip() or ("no-key-needed" if theirs else "")
    return Endpoint(where=base, model=model, key=key, compatible=theirs)
