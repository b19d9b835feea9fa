"""Sizes, durations, counts and hints as people read them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def format_size(size: float) -> str:
    """A number of bytes: `870 bytes`, `12.3 kB`, `1.39 GB` (powers of 1000)."""
    import humanize

    return humanize.naturalsize(size, format="%.3g").replace("Byte", "byte")


def format_duration(seconds: float) -> str:
    """A time span: `8 s`, `3 min 20 s`, `2 h 05 min`.

    Not that of humanize ("3 minutes and 20 seconds"), which is too long for a progress bar.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun: `1 night`, `3 nights`; `plural` where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def suggest_name(name: object, known: Iterable[str]) -> str:
    """A hint for an unknown name: the most similar known one, or all known ones."""
    known = list(known)
    similar = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {similar[0]}?" if similar else f"known: {', '.join(known) or 'none'}"
