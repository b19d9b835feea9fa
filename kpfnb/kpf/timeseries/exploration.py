"""Exploration: a panel, or any keywords, over any range and any observations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.kpf.timeseries.period import (
    PeriodInterval,
    night_start,
    read_night_fingerprints,
    requested_periods,
)
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.columns import OPERATORS
from kpfnb.kpf.tsdb.kinds import ValueKind
from kpfnb.kpf.tsdb.plots.curves import build_curves
from kpfnb.kpf.tsdb.plots.data import PanelView, fetch_table
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel, choose_panels
from kpfnb.kpf.tsdb.plots.panel_plot import panel_table
from kpfnb.kpf.tsdb.plots.robust_statistics import compute_statistics
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan

if TYPE_CHECKING:
    import pandas as pd

AD_HOC_PANEL = "keywords"
"""The name of a panel made from keywords."""

TIME_UNIT = "h after start"
"""The unit of times in a plot of any keywords."""

_OPERATOR_SIGNS = sorted(
    (sign for sign in OPERATORS if not sign.isalpha() and " " not in sign), key=len
)[::-1]
_CONDITION = re.compile(rf"\s*(\S+?)\s*({'|'.join(map(re.escape, _OPERATOR_SIGNS))})\s*(.+?)\s*")


@dataclass(frozen=True, repr=False)
class ExplorationResult(OneLineRepr):
    """The observations of a panel over a span of time."""

    view: PanelView
    span: TimeSpan
    title: str

    @property
    def outcome(self) -> Outcome:
        """Succeeded, also if no observation matches."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """Panel and number of observations in one line."""
        missing = ", ".join(map(catalogue.describe_missing, self.view.missing))
        note = f"; not in the database: {missing}" if missing else ""
        return f"{self.view.panel.title}: {self.view.times.size:,} observations, {self.title}{note}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        return {"panel": self.view.panel.name, "observations": int(self.view.times.size)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        # Names that earlier versions wrote
        names = {"min": "least", "max": "greatest"}
        summary = self.summary().rename(columns=names).reset_index().to_dict("records")
        missing = self.view.missing
        return {
            "outcome": self.outcome,
            **self.key_figures(),
            "missing": missing,
            "summary": summary,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per observation: its time and the keywords of the panel."""
        frame: pd.DataFrame = self.view.table.frame[self.view.mask]
        return frame

    def summary(self) -> pd.DataFrame:
        """One row per keyword: number of values, median, scatter, minimum, maximum.

        For counts, flags and states it is the table of the plot.
        """
        import pandas as pd

        if not self.view.panel.rows:
            table = panel_table(self.view, self.span)
            return pd.DataFrame() if table is None else table
        rows = {}
        for row in self.view.panel.rows:
            for curve in build_curves(self.view, row):
                values = curve.values + curve.offset
                statistics = compute_statistics(values)
                known = pd.Series(values).dropna()
                extremes = [known.min(), known.max()] if statistics.number else [None, None]
                rows[curve.line.column, row.label, curve.label] = [row.unit, *statistics, *extremes]
        names = ["unit", "values", "median", "scatter", "min", "max"]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        frame.index = pd.MultiIndex.from_tuples(rows, names=["keyword", "row", "label"])
        return frame

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
    """The observations of a panel, or of any keywords.

    Parameters
    ----------
    panel : the name of a panel (`kpfnb timeseries --list`); '' for keywords
    start, end : nights, both included; without end only the first
    source, object : kinds of source, and values of OBJECT, in addition to the panel's selection
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
    chosen = choose_panels([panel]).get(panel) if panel else ad_hoc_panel(keywords)
    if chosen is None:
        members = ", ".join(choose_panels([panel]))
        raise InvalidParameterError(f"{panel!r} is a group of panels", f"choose one: {members}")
    [period] = requested_periods(PeriodInterval.ALL, start, end, _known_nights(start))
    conditions = [*parse_condition_texts(where), *([keyword, "==", 1] for keyword in qc)]
    conditions += [["SOURCE", "in", list(source)]] if source else []
    conditions += [["OBJECT", "in", list(object)]] if object else []
    _check_keywords([conditionn[0] for conditionn in conditions])
    select = chosen.select.model_copy(update={"where": [*chosen.select.where, *conditions]})
    chosen = chosen.model_copy(update={"select": select})
    not_junk &= select.not_junk
    table = fetch_table([chosen], period.first, period.last, not_junk=not_junk)
    # A condition with a value of the wrong kind is an error here, not when the plot is drawn
    table.selection_mask(chosen.select)
    title = period.title if period.first != period.last else f"{night_start(period.first):%Y-%m-%d}"
    return ExplorationResult(PanelView(table, chosen), period.span(datetime.now(UTC)), title)


def parse_condition_texts(texts: Iterable[str]) -> list[list[Any]]:
    """Parse conditions written as text: KEYWORD, operator and value.

    Raises
    ------
    InvalidParameterError : a text is not a condition
    """
    conditions: list[list[Any]] = []
    for text in texts:
        match = _CONDITION.fullmatch(text)
        if not match:
            signs = " ".join(_OPERATOR_SIGNS)
            raise InvalidParameterError(
                f"condition {text!r}", f"write AIRMASS < 1.5; operators: {signs}"
            )
        column, sign, value = match.groups()
        conditions.append([column, sign, _parse_value(value)])
    return conditions


def ad_hoc_panel(keywords: Sequence[str]) -> TimeSeriesPanel:
    """A panel of any keywords: one row per unit of numbers, or texts as states.

    Times are drawn as hours after the start of the observation, switches as 1 and 0.
    """
    _check_keywords(keywords)
    with database.read_transaction() as connection:
        known = catalogue.resolve_names(connection, keywords)
    common: dict[str, Any] = {
        "name": AD_HOC_PANEL,
        "group": AD_HOC_PANEL,
        "title": ", ".join(keywords)[:200],
    }
    texts = [name for name, entry in known.items() if entry.kind is ValueKind.TEXT]
    if texts and len(texts) < len(known):
        hint = f"the texts are {', '.join(texts)}"
        raise InvalidParameterError(
            "texts and numbers can't be in one plot", f"plot them separately; {hint}"
        )
    if texts:
        return TimeSeriesPanel.model_validate(common | {"states": {name: name for name in texts}})
    units: dict[str, dict[str, str]] = {}
    for name, entry in known.items():
        unit = TIME_UNIT if entry.kind is ValueKind.TIME else entry.unit
        units.setdefault(unit, {})[name] = name
    rows = [
        {"label": next(iter(lines)) if len(lines) == 1 else "value", "unit": unit, "lines": lines}
        for unit, lines in units.items()
    ]
    return TimeSeriesPanel.model_validate(common | {"rows": rows})


def _check_keywords(columns: Sequence[str]) -> None:
    with database.read_transaction() as connection:
        catalogue.resolve_names(connection, columns)


def _known_nights(start: str) -> list[str]:
    return [] if start else list(read_night_fingerprints())


def _parse_value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")
