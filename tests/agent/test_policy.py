"""What may run in which mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.action import Action
from agent.policy import POLICY_VERSION, decide

EFFECTS = ["read_only", "reversible", "disruptive", "destructive", "external"]
MODES = ["observe", "supervised", "autonomous"]


def action(tool: str = "update_config", effect: str = "reversible", **changes: object) -> Action:
    values = {"tool": tool, "arguments": {}, "target": "t", "effect": effect, "recovery": "probe", "summary": "s"}
    return Action(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("effect", "mode", "outcome"),
    [
        ("read_only", "observe", "allow"),
        ("read_only", "supervised", "allow"),
        ("read_only", "autonomous", "allow"),
        ("reversible", "observe", "deny"),
        ("reversible", "supervised", "ask"),
        ("reversible", "autonomous", "allow"),
        ("disruptive", "observe", "deny"),
        ("disruptive", "supervised", "ask"),
        ("disruptive", "autonomous", "ask"),
        ("destructive", "autonomous", "ask"),
        ("external", "autonomous", "ask"),
    ],
)
def test_the_mode_and_the_effect_decide(effect: str, mode: str, outcome: str) -> None:
    assert decide(action(effect=effect), mode).outcome == outcome


@pytest.mark.parametrize("mode", ["supervised", "autonomous"])
def test_a_command_always_asks(mode: str) -> None:
    assert decide(action("run_command", "read_only"), mode).outcome == "ask"


def test_a_command_does_not_run_in_observe_mode() -> None:
    assert decide(action("run_command", "read_only"), "observe").outcome == "deny"


@given(st.sampled_from(EFFECTS), st.text(max_size=12), st.sampled_from(["update_config", "run_command", "new_tool"]))
def test_an_unknown_mode_never_allows_a_change(effect: str, mode: str, tool: str) -> None:
    verdict = decide(action(tool, effect), mode)
    if mode not in MODES and (effect != "read_only" or tool == "run_command"):
        assert verdict.outcome == "ask"
    assert verdict.reason


@given(st.sampled_from(EFFECTS), st.sampled_from(MODES), st.sampled_from(["update_config", "finish_ticket"]))
def test_what_is_forbidden_is_denied_in_every_mode(effect: str, mode: str, tool: str) -> None:
    verdict = decide(action(tool, effect, forbidden="not editable"), mode)
    assert (verdict.outcome, verdict.reason) == ("deny", "not editable")


@pytest.mark.parametrize(
    "change",
    [
        {"tool": "edit_file"},
        {"arguments": {"a": 1}},
        {"target": "u"},
        {"pre_image": "x"},
        {"head": "y"},
    ],
)
def test_the_digest_is_bound_to_everything_an_approval_is_about(change: dict[str, object]) -> None:
    assert action().digest(POLICY_VERSION) != action(**change).digest(POLICY_VERSION)  # type: ignore[arg-type]


def test_the_digest_does_not_hang_on_the_order_of_keys_or_on_words() -> None:
    one = action(arguments={"a": 1, "b": 2}, summary="one", diff="d")
    other = action(arguments={"b": 2, "a": 1}, summary="other", undo="u")
    assert one.digest(POLICY_VERSION) == other.digest(POLICY_VERSION)
    assert one.digest("another policy") != one.digest(POLICY_VERSION)
