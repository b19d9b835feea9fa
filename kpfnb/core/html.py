"""Tables as HTML, for notebooks and pages. Text is escaped; `markupsafe.Markup` is HTML already."""

from __future__ import annotations

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
