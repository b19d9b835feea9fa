"""Free exploration: a panel, or any keywords, over any range and any observations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import atomic, spreadsheet_cells
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.kpf.timeseries import period
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.columns import OPERATORS
from kpfnb.kpf.tsdb.plots import (
    curves,
    data,
    panel_plot,
    robust_statistics,
    time_axis,
)
from kpfnb.kpf.tsdb.plots import (
    panel as definitions,
)
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import PanelRow, TimeSeriesPanel
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan
from kpfnb.kpf.tsdb.series import ValueKind
from kpfnb.notebook.display.figures import PointTooltip

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


# The values of a row of a panel, and what each is, for the mouse in JupyterLab.


def point_tooltips(view: PanelView, row: PanelRow) -> PointTooltip:
    """ObsID, keyword and value of each point of a row's curves."""
    found = curves.build_curves(view, row)
    known = [np.flatnonzero(np.isfinite(curve.values)) for curve in found]
    # Which curve and which observation each point is of
    of = np.concatenate([np.full(one.size, number) for number, one in enumerate(known)])
    rows = np.concatenate(known)
    values = np.concatenate([curve.values[one] for curve, one in zip(found, known, strict=True)])

    def text(one: int) -> str:
        value = f"{found[of[one]].label}: {curves.format_number(values[one])} {row.unit}"
        return f"{view.obsids[rows[one]]}\n{value}".rstrip()

    return PointTooltip(np.column_stack([view.times[rows], values]), text)


AD_HOC_PANEL = "keywords"
"""The name of the panel that is made of keywords."""

_OPERATOR_SIGNS = sorted(
    (one for one in OPERATORS if not one.isalpha() and " " not in one), key=len
)[::-1]
_CONDITION = re.compile(rf"\s*(\S+?)\s*({'|'.join(map(re.escape, _OPERATOR_SIGNS))})\s*(.+?)\s*")


@dataclass(frozen=True, repr=False)
class ExplorationResult(OneLineRepr):
    """Some observations, and how they are looked at."""

    view: PanelView
    span: TimeSpan
    title: str

    @property
    def outcome(self) -> Outcome:
        """It could be looked at, also where nothing was found."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        missing = self.view.missing
        lacks = f"; not in the database: {', '.join(missing)}" if missing else ""
        return (
            f"{self.view.panel.title}: {self.view.times.size:,} observations, {self.title}{lacks}"
        )

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        return {"panel": self.view.panel.name, "observations": int(self.view.times.size)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        summary = self.summary().reset_index().to_dict("records")
        missing = self.view.missing
        return {
            "outcome": self.outcome,
            **self.key_figures(),
            "missing": missing,
            "summary": summary,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an observation: its time and the keywords of the panel."""
        found: pd.DataFrame = self.view.table.frame[self.view.mask]
        return found

    def summary(self) -> pd.DataFrame:
        """One row a keyword that is drawn: how many values, median, scatter, least, greatest.

        For counts, checks and states it is the table of the picture.
        """
        import pandas as pd

        if not self.view.panel.rows:
            table = panel_plot.draw_panel(self.view, self.span).table
            return pd.DataFrame() if table is None else table
        rows = {}
        for row in self.view.panel.rows:
            for curve in curves.build_curves(self.view, row):
                values = curve.values + curve.offset
                found = robust_statistics.compute_statistics(values)
                known = pd.Series(values).dropna()
                ends = [known.min(), known.max()] if found.number else [None, None]
                rows[curve.line.column, row.label, curve.label] = [row.unit, *found, *ends]
        names = ["unit", "values", "median", "scatter", "least", "greatest"]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        frame.index = pd.MultiIndex.from_tuples(rows, names=["keyword", "row", "label"])
        return frame

    def plot(self) -> Figure:
        """The picture."""
        return self._draw_panel().figure

    def hover_plot(self) -> HoverFigure:
        """The picture with every value drawn, and ObsID and value at the mouse."""
        from kpfnb.notebook.display.figures import HoverFigure

        drawn = self._draw_panel(whole=True)
        rows = map(partial(point_tooltips, self.view), self.view.panel.rows)
        return HoverFigure(drawn.figure, dict(zip(drawn.axes, rows, strict=False)))

    def export(self, folder: Path) -> list[Path]:
        """Write the picture (PNG) and the values (CSV) into a folder."""
        picture, values = (folder / f"{self.view.panel.name}.{kind}" for kind in ("png", "csv"))
        with atomic.replace_atomically(picture) as temporary:
            temporary.write_bytes(panel_plot.render_png(self._draw_panel()))
        frame = self.to_frame().map(
            lambda one: spreadsheet_cells.escape_csv_text(one) if isinstance(one, str) else one
        )
        atomic.write_text(values, frame.to_csv(date_format="%Y-%m-%dT%H:%M:%S.%fZ"))
        return [picture, values]

    def _draw_panel(self, *, whole: bool = False) -> panel_plot.PanelPlot:
        return panel_plot.draw_panel(
            self.view, self.span, time_axis.load_eras(), when=self.title, whole=whole
        )

    def __str__(self) -> str:
        return f"{self.reason}\n{self.summary().to_string()}"

    def _repr_html_(self) -> str:
        import html

        return f"<p>{html.escape(self.reason)}</p>{self.summary().to_html(border=0, na_rep='')}"


def explore(
    panel: str = "",
    keywords: Sequence[str] = (),
    start: str = "",
    end: str = "",
    *,
    source: Sequence[str] = (),
    object: Sequence[str] = (),
    where: Sequence[str] = (),
    qc: Sequence[str] = (),
    not_junk: bool = True,
) -> ExplorationResult:
    """Look at a panel, or at any keywords.

    Parameters
    ----------
    panel : the name of one (`kpfnb timeseries --list`); '' for keywords
    start, end : nights, both included; no end: only the first
    source, object : kinds of source, and values of OBJECT, beside what the panel asks for
    where : conditions that all must hold, such as AIRMASS < 1.5
    qc : keywords of quality control that must be 1

    Raises
    ------
    InvalidParameterError : a name, a date or a condition is unknown
    InvalidInputError : there is no database yet
    """
    if bool(panel) == bool(keywords):
        raise InvalidParameterError(
            "give either a panel or keywords", "panels: kpfnb timeseries --list"
        )
    chosen = definitions.choose_panels([panel]).get(panel) if panel else ad_hoc_panel(keywords)
    if chosen is None:
        raise InvalidParameterError(
            f"panel {panel!r} is a group", "give one: kpfnb timeseries --list"
        )
    [asked] = period.requested_periods(period.PeriodInterval.ALL, start, end, _known_nights(start))
    wanted = [*parse_condition_texts(where), *([keyword, "==", 1] for keyword in qc)]
    wanted += [["SOURCE", "in", list(source)]] if source else []
    wanted += [["OBJECT", "in", list(object)]] if object else []
    _check_keywords([one[0] for one in wanted])
    select = chosen.select.model_copy(update={"where": [*chosen.select.where, *wanted]})
    chosen = chosen.model_copy(update={"select": select})
    not_junk &= select.not_junk
    table = data.fetch_table([chosen], asked.first, asked.last, not_junk=not_junk)
    # A condition of a wrong kind is refused here, not when the picture is drawn
    table.selection_mask(chosen.select)
    title = (
        asked.title if asked.first != asked.last else f"{period.night_start(asked.first):%Y-%m-%d}"
    )
    return ExplorationResult(PanelView(table, chosen), asked.span(datetime.now(UTC)), title)


def parse_condition_texts(texts: Iterable[str]) -> list[list[Any]]:
    """Conditions as people write them: KEYWORD, sign and value.

    Raises
    ------
    InvalidParameterError : it can't be read
    """
    found: list[list[Any]] = []
    for text in texts:
        match = _CONDITION.fullmatch(text)
        if not match:
            signs = " ".join(_OPERATOR_SIGNS)
            raise InvalidParameterError(
                f"condition {text!r}", f"write AIRMASS < 1.5; signs: {signs}"
            )
        column, sign, value = match.groups()
        found.append([column, sign, _parse_value(value)])
    return found


def ad_hoc_panel(keywords: Sequence[str]) -> TimeSeriesPanel:
    """A panel of any keywords: one row a unit; texts as states."""
    _check_keywords(keywords)
    with database.read_transaction() as connection:
        known = catalogue.resolve_names(connection, keywords)
    own: dict[str, Any] = {
        "name": AD_HOC_PANEL,
        "group": AD_HOC_PANEL,
        "title": ", ".join(keywords)[:200],
    }
    texts = [name for name, entry in known.items() if entry.kind is ValueKind.TEXT]
    if texts and len(texts) < len(known):
        hint = f"texts are {', '.join(texts)}"
        raise InvalidParameterError(
            "texts and numbers can't be in one picture", f"ask for them apart; {hint}"
        )
    if texts:
        return TimeSeriesPanel.model_validate(own | {"states": {name: name for name in texts}})
    units: dict[str, dict[str, str]] = {}
    for name, entry in known.items():
        units.setdefault(entry.unit, {})[name] = name
    rows = [
        {"label": next(iter(lines)) if len(lines) == 1 else "value", "unit": unit, "lines": lines}
        for unit, lines in units.items()
    ]
    return TimeSeriesPanel.model_validate(own | {"rows": rows})


def _check_keywords(columns: Sequence[str]) -> None:
    with database.read_transaction() as connection:
        catalogue.resolve_names(connection, columns)


def _known_nights(start: str) -> list[str]:
    from kpfnb.kpf.timeseries import period as freshness

    return [] if start else list(freshness.read_night_fingerprints())


def _parse_value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")
