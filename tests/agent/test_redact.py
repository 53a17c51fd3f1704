"""Secrets do not pass; ordinary lines do, untouched."""

from __future__ import annotations

import pytest

from agent.redact import redact, redact_tree

SECRETS = {
    "password": ("db password=correct-horse-battery", "correct-horse-battery"),
    "json": ('{"api_key": "abcd1234efgh"}', "abcd1234efgh"),
    "header": ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
    "opaque bearer": ("sent bearer abcdefghijklmnop123456", "abcdefghijklmnop"),
    "anthropic": ("sk-" + "ant-" + "a1b2c3d4" * 4, "a1b2c3d4"),
    "github": ("ghp_" + "a1b2c3d4" * 4, "a1b2c3d4"),
    "aws": ("AKIA" + "ABCDEFGH" * 2, "ABCDEFGH"),
    "google": ("AIza" + "a1b2c3d4" * 4, "a1b2c3d4"),
    "slack": ("xoxb-" + "123456789012-abcdef", "123456789012"),
    "jwt": ("eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    "url": ("postgresql://harness:s3cr3t-pass@db.internal/ledger", "s3cr3t-pass"),
    "cookie": ("Cookie: session=0123456789abcdef", "0123456789abcdef"),
    "pem": ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----", "MIIEvQIBADANBg"),
    "client secret": ("client_secret: 8f7e6d5c4b3a", "8f7e6d5c4b3a"),
}
PLAIN = [
    '{"level":"info","msg":"allowed","key":"user-17","remaining":99}',
    "2026-11-20T10:00:00Z started on port 8001 pid 4242",
    "the token bucket has capacity 100 and refills 10 per second",
    "git commit 94077973c26189b3e696f103fb88f030e7532346",
    "GET /v1/check 429 retry after 1200 ms",
    "https://example.com/path?page=2",
    "author: someone, keys: 2, tokens: 1",
]


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_does_not_pass(kind: str) -> None:
    line, secret = SECRETS[kind]
    text = redact(line)
    assert "[redacted" in text
    assert secret not in text


@pytest.mark.parametrize("line", PLAIN)
def test_an_ordinary_line_is_untouched(line: str) -> None:
    assert redact(line) == line


def test_the_same_secret_gets_the_same_mark() -> None:
    one, other = redact("password=hunter2hunter2"), redact("pwd: hunter2hunter2")
    assert one.split("[redacted")[1] == other.split("[redacted")[1]


def test_a_tree_is_cleaned_at_every_depth_and_by_its_keys() -> None:
    tree = {"a": [{"token": "abcdefgh", "n": 1}], "line": "password=abcdefgh"}
    cleaned = redact_tree(tree)
    assert "abcdefgh" not in str(cleaned)
    assert cleaned["a"][0]["n"] == 1
