"""Which brain works the tickets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.brains.brain import Brain
from agent.brains.runbook import RunbookBrain
from agent.brains.runbook_file import Runbook, load_runbooks
from console.settings import Settings
from service.subject import Subject
from service.workspace import Workspace

if TYPE_CHECKING:
    from agent.brains.claude_summary import Summariser


def make_summariser(settings: Settings) -> Summariser | None:
    """Who writes step summaries, or None when the rules do.

    Another endpoint than Anthropic's is asked only when a summary model was named for it.
    """
    if not settings.wants_claude:
        return None
    if settings.anthropic_base_url is not None and "summary_model" not in settings.model_fields_set:
        return None
    from agent.brains.claude_summary import Summariser

    key = settings.anthropic_api_key
    return Summariser(
        api_key=key.get_secret_value() if key is not None else None,
        base_url=settings.anthropic_base_url,
        model=settings.summary_model,
    )


def make_brain(settings: Settings, workspaces: Mapping[str, Workspace], subjects: Mapping[str, Subject]) -> Brain:
    """The brain the settings ask for."""
    if settings.wants_claude:
        from agent.brains.claude import ClaudeBrain

        key = settings.anthropic_api_key
        return ClaudeBrain(
            api_key=key.get_secret_value() if key is not None else None,
            base_url=settings.anthropic_base_url,
            model=settings.model,
        )

    def load(subject: str) -> tuple[list[Runbook], list[str]]:
        return load_runbooks(workspaces[subject].root, subjects[subject].runbooks)

    return RunbookBrain(load)
