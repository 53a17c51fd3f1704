"""A home for each test, and the certainty that nothing outlives it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Harness, children_of


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path / "home", HARNESS_MODE="autonomous")
    yield made
    made.stop()
    if sys.platform == "linux":
        deadline = time.monotonic() + 10
        while children_of(made.home) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert children_of(made.home) == [], "a process outlived the harness"
