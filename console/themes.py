"""The house themes: ``harness``, dark and calm with one accent, and ``harness-contrast``."""

from __future__ import annotations

from textual.theme import Theme

HARNESS = Theme(
    name="harness",
    primary="#8fb4f5",
    secondary="#5f7fae",
    accent="#8fb4f5",
    foreground="#d3dae3",
    background="#0e1216",
    surface="#12171c",
    panel="#1a2128",
    success="#8ccf9a",
    warning="#e8bf74",
    error="#f0817d",
    dark=True,
    variables={
        "ink": "#d3dae3",
        "muted": "#8593a1",
        "faint": "#55626f",
        "line": "#2a343d",
        "line-focus": "#8fb4f5",
        "chip": "#222b34",
        "alarm": "#a8322f",
        "alarm-ink": "#fff3f2",
        "ask": "#3a3018",
        "ask-ink": "#f3d79c",
        "added": "#8ccf9a",
        "removed": "#f0817d",
        "block-cursor-background": "#233142",
        "block-cursor-foreground": "#eef3f9",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#1a2129",
        "block-cursor-blurred-foreground": "#d3dae3",
        "block-cursor-blurred-text-style": "none",
        "input-selection-background": "#8fb4f5 30%",
        "scrollbar": "#2a343d",
        "scrollbar-hover": "#3a4752",
        "scrollbar-active": "#8fb4f5",
        "scrollbar-background": "#12171c",
        "scrollbar-background-hover": "#12171c",
        "scrollbar-background-active": "#12171c",
        "scrollbar-corner-color": "#12171c",
    },
)

CONTRAST = Theme(
    name="harness-contrast",
    primary="#ffff00",
    secondary="#ffffff",
    accent="#66d9ff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#101010",
    success="#5cff5c",
    warning="#ffd500",
    error="#ff6e6e",
    dark=True,
    variables={
        "ink": "#ffffff",
        "muted": "#d0d0d0",
        "faint": "#b0b0b0",
        "line": "#a0a0a0",
        "line-focus": "#ffff00",
        "chip": "#303030",
        "alarm": "#ff2020",
        "alarm-ink": "#000000",
        "ask": "#ffd500",
        "ask-ink": "#000000",
        "added": "#5cff5c",
        "removed": "#ff6e6e",
        "block-cursor-background": "#1c3f7a",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#303030",
        "block-cursor-blurred-foreground": "#ffffff",
        "block-cursor-blurred-text-style": "none",
        "scrollbar": "#a0a0a0",
        "scrollbar-background": "#000000",
    },
)

_PLAIN = "#f0f0f0"
MONO = Theme(
    name="harness-mono",
    primary=_PLAIN,
    secondary=_PLAIN,
    accent=_PLAIN,
    foreground=_PLAIN,
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    success=_PLAIN,
    warning=_PLAIN,
    error=_PLAIN,
    dark=True,
    variables={
        **HARNESS.variables,
        "ink": _PLAIN,
        "muted": "#a8a8a8",
        "faint": "#888888",
        "line": "#606060",
        "line-focus": _PLAIN,
        "chip": "#303030",
        "alarm": _PLAIN,
        "alarm-ink": "#000000",
        "ask": "#404040",
        "ask-ink": _PLAIN,
        "added": _PLAIN,
        "removed": _PLAIN,
    },
)
"""Chosen under NO_COLOR, where Textual leaves greys only: what is bright is what matters."""

THEMES: tuple[Theme, ...] = (HARNESS, CONTRAST)
EXTRA_VARIABLES: dict[str, str] = {
    name: value
    for name, value in HARNESS.variables.items()
    if name
    in {
        "ink",
        "muted",
        "faint",
        "line",
        "line-focus",
        "chip",
        "alarm",
        "alarm-ink",
        "ask",
        "ask-ink",
        "added",
        "removed",
    }
}
"""Colour roles of ours, so that a stock theme can be chosen as well."""
