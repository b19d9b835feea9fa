"""Text for people: sizes, durations, counts, hints, and tables as HTML."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    import pandas as pd


def html_table(titles: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """A table with one row of titles.

    Parameters
    ----------
    titles : one for each column
    rows : the cells of each row; what is not `Markup` is escaped
    """
    head = Markup().join(Markup("<th scope='col'>{}</th>").format(title) for title in titles)
    body = Markup().join(
        Markup("<tr>{}</tr>").format(
            Markup().join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def frame_html(frame: pd.DataFrame) -> str:
    """A data frame as a table: no index, all text escaped, missing values empty."""
    return str(frame.to_html(index=False, escape=True, border=0, justify="left", na_rep=""))


def format_size(size: float) -> str:
    """A number of bytes: `870 bytes`, `12.3 kB`, `1.39 GB` (powers of 1000)."""
    import humanize

    return humanize.naturalsize(size, format="%.3g").replace("Byte", "byte")


def format_duration(seconds: float) -> str:
    """A time span: `8 s`, `3 min 20 s`, `2 h 05 min`.

    humanize's form ("3 minutes and 20 seconds") is too long for a progress bar.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun: `1 night`, `3 nights`; `plural` if it is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def suggest_name(name: object, known: Iterable[str]) -> str:
    """A hint for an unknown name: the most similar known one, or all known ones."""
    known = list(known)
    similar = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {similar[0]}?" if similar else f"known: {', '.join(known) or 'none'}"
