"""Suggestions for parameters: known values, with a text that explains each.

A field with suggestions completes what a person types, and explains the values it has. Other
values remain allowed. A source belongs to the name of a parameter, so that every notebook with such
a parameter has its suggestions, under whatever name it is saved.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from kpfnb.core import nights
from kpfnb.core.errors import KpfnbError
from kpfnb.core.text import format_count

if TYPE_CHECKING:
    from kpfnb.notebook.parameters import Parameter

MAX_COMPLETIONS = 50
MAX_EXPLAINED = 6
NIGHT_KINDS = ("night", "moment", "targets")

Suggestions = Mapping[str, str]
"""Known values, each with its explanation."""

SuggestionSource = Callable[[], Suggestions]


class SuggestingField(Protocol):
    """What takes suggestions: a `kpfnb.notebook.form.fields.FormField`."""

    @property
    def parameter(self) -> Parameter:
        """The parameter of the field."""

    @property
    def takes_suggestions(self) -> bool:
        """Whether a person types text into it."""

    def suggest(self, suggestions: Suggestions, problem: str = "") -> None:
        """Take the suggestions, or the problem that there are none."""


_sources: dict[str, SuggestionSource] = {}
_tasks: set[asyncio.Task[None]] = set()
_logger = logging.getLogger(__name__)


def register_suggestions(*parameters: str) -> Callable[[SuggestionSource], SuggestionSource]:
    """Let a function suggest values for the parameters of these names.

    It is called in a thread, and may take its time. What it raises is shown beside the field.
    """

    def register(source: SuggestionSource) -> SuggestionSource:
        for parameter in parameters:
            _sources[parameter] = source
        return source

    return register


def find_source(parameter: Parameter) -> SuggestionSource | None:
    """The source of suggestions for a parameter; None if there is none."""
    return suggest_last if parameter.kind.name in NIGHT_KINDS else _sources.get(parameter.name)


def start_suggestions(fields: Iterable[SuggestingField]) -> None:
    """Find suggestions for the fields in threads; the form need not wait for them.

    Call it in a cell: the fields get their suggestions when the kernel has time.
    """
    suggestible = [field for field in fields if _find_source_of(field)]
    if not suggestible:
        return
    task = asyncio.get_running_loop().create_task(load_suggestions(suggestible))
    # The event loop holds only weak references to tasks
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def load_suggestions(fields: Iterable[SuggestingField]) -> None:
    """Give each field its suggestions, or a note that says why it has none."""
    by_source: dict[SuggestionSource, list[SuggestingField]] = {}
    for field in fields:
        if source := _find_source_of(field):
            by_source.setdefault(source, []).append(field)
    await asyncio.gather(*(_load_from(source, group) for source, group in by_source.items()))


def _find_source_of(field: SuggestingField) -> SuggestionSource | None:
    return find_source(field.parameter) if field.takes_suggestions else None


async def _load_from(source: SuggestionSource, fields: list[SuggestingField]) -> None:
    known: Suggestions = {}
    problem = ""
    try:
        known = await asyncio.to_thread(source)
    except KpfnbError as error:
        problem = error.what
    except Exception as error:  # a form without suggestions is better than none
        _logger.exception("no suggestions for %s", fields[0].parameter.name)
        problem = f"{type(error).__name__}: {error}"
    for field in fields:
        field.suggest(known, f"no suggestions: {problem}" if problem else "")


def suggest_last() -> dict[str, str]:
    """The night that `last` means."""
    night = nights.find_last_night()
    count = nights.count_raw_files(night)[night]
    return {nights.LAST: f"{night}, {format_count(count, 'L0 file')}"}


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
