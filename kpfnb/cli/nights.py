"""Nights as arguments and options of commands: `last` is the newest night with L0 files."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.core import nights


def parse_night(value: str) -> str:
    """The night that a person names; also the callback of arguments that have one.

    Raises as `kpfnb.core.nights.find_last_night`.
    """
    return nights.resolve_night(value)


def parse_targets(values: list[str] | None) -> list[str] | None:
    """The targets, with the newest night in place of `last`."""
    return values and [*map(nights.resolve_target, values)]


StartNight = Annotated[
    str,
    typer.Argument(
        help="Night as YYYYMMDD (UT), or last: the newest with L0 files.", callback=parse_night
    ),
]
EndNight = Annotated[
    str,
    typer.Argument(
        help="Last night; earlier than the first: newest first.",
        show_default=False,
        callback=parse_night,
    ),
]
