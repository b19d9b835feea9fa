"""Suggestions for parameters: known values, with a text that explains each.

A field with suggestions completes what a person types, and explains the values it has. Other
values remain allowed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

MAX_COMPLETIONS = 50
MAX_EXPLAINED = 6

Suggestions = Mapping[str, str]
"""Known values, each with its explanation."""

SuggestionSource = Callable[[], Mapping[str, Suggestions]]
"""Returns the suggestions of parameters by name."""

_sources: dict[str, SuggestionSource] = {}
_logger = logging.getLogger(__name__)


def register_suggestions(notebook: str) -> Callable[[SuggestionSource], SuggestionSource]:
    """Let a function suggest values for the parameters of a notebook."""

    def register(source: SuggestionSource) -> SuggestionSource:
        _sources[notebook] = source
        return source

    return register


def load_suggestions(notebook: str) -> Mapping[str, Suggestions]:
    """The suggestions of a notebook by parameter; none if they can't be found out."""
    source = _sources.get(notebook)
    try:
        return source() if source else {}
    except Exception:  # a form without suggestions is better than none
        _logger.exception("no suggestions for the form of %s", notebook)
        return {}


def complete_text(typed: str, suggestions: Suggestions) -> tuple[str, ...]:
    """The whole texts to which typed text can be completed: its last item by known values.

    Values that begin with the item come before those that contain it.
    """
    head, comma, item = typed.rpartition(",")
    start = f"{head}, " if comma else ""
    wanted = item.strip().lower()
    matching = [value for value in suggestions if wanted in value.lower()]
    matching.sort(key=lambda value: not value.lower().startswith(wanted))
    return tuple(f"{start}{value}" for value in matching[:MAX_COMPLETIONS])


def explain_text(typed: str, suggestions: Suggestions) -> str:
    """What the known values in a text are: `AIRMASS: Airmass; CCFRV: [km/s] Velocity`."""
    items = [item.strip() for item in typed.split(",")]
    # A condition, such as AIRMASS < 1.5, begins with its value
    names = [item if item in suggestions else re.split(r"[\s<>=!]", item)[0] for item in items]
    known = [name for name in dict.fromkeys(names) if suggestions.get(name)]
    parts = [f"{name}: {suggestions[name]}" for name in known[:MAX_EXPLAINED]]
    return "; ".join(parts) + ("; ..." if len(known) > MAX_EXPLAINED else "")
