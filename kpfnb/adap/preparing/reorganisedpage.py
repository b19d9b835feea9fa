"""The report page of a reorganising: one file, readable anywhere."""

from __future__ import annotations

from itertools import groupby

from markupsafe import Markup

from kpfnb.adap.preparing.arrangement import PLACED
from kpfnb.adap.preparing.reorganised import Reorganised
from kpfnb.runs import report, view
from kpfnb.runs.view import SIGNS


def page(result: Reorganised) -> str:
    """The page as HTML; all text that comes from headers and file names is escaped."""
    placed = [row for row in result.rows if row.state == PLACED]
    by_dataset = {name: list(rows) for name, rows in groupby(placed, lambda row: row.dataset)}
    style = view.style()
    return str(
        view.environment()
        .get_template("reorganised.html")
        .render(
            policy=report.policy(style),
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            title=f"Raw frames of {result.spectrograph}",
            result=result,
            sign=SIGNS[result.outcome],
            figures=[pair for pair in result.figures().items() if pair[0] != "new"],
            table=result.to_frame().to_dict("records"),
            by_dataset=by_dataset,
            told=result.problems().to_dict("records"),
        )
    )
