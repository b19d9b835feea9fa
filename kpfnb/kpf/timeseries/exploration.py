"""Exploration: a panel, or any keywords, over any range and any observations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.kpf.files.keywords import is_known
from kpfnb.kpf.timeseries.period import (
    PeriodInterval,
    read_night_fingerprints,
    requested_periods,
)
from kpfnb.kpf.timeseries.selection import (
    parse_condition_texts,
    resolve_objects,
    resolve_sources,
)
from kpfnb.kpf.tsdb import catalogue, database
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

VELOCITY_UNIT = "km/s"
"""In the files."""

TIME_UNIT = "h after start"
"""The unit of times in a plot of any keywords."""


@dataclass(frozen=True, repr=False)
class ExplorationResult(OneLineRepr):
    """The observations of a panel over a span of time."""

    view: PanelView
    span: TimeSpan
    title: str
    siblings: tuple[str, ...] = ()
    """The other panels, if the name of a group was given."""

    @property
    def outcome(self) -> Outcome:
        """Succeeded, also if no observation matches."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """Panel and number of observations in one line."""
        missing = ", ".join(map(catalogue.describe_missing, self.view.missing))
        note = f"; not in the database: {missing}" if missing else ""
        count = int(self.view.times.size)
        observations = "1 observation" if count == 1 else f"{count:,} observations"
        group = (
            f" ({self.view.panel.name}, the first panel of {len(self.siblings) + 1} in the group)"
        )
        return (
            f"{self.view.panel.title}: {observations}, {self.title}"
            f"{group if self.siblings else ''}{note}"
        )

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
                # The others of a row by object have different medians
                values = curve.values + np.nan_to_num(curve.offset)
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
    panel : the name of a panel (`kpfnb timeseries --list`), or of a group: its first panel; '' for
        keywords
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
    members = list(choose_panels([panel]).values()) if panel else [ad_hoc_panel(keywords)]
    chosen, siblings = members[0], tuple(other.name for other in members[1:])
    [period] = requested_periods(PeriodInterval.ALL, start, end, _known_nights(start))
    conditions = [*parse_condition_texts(where), *([keyword, "==", 1] for keyword in qc)]
    conditions += [["SOURCE", "in", resolve_sources(source)]] if source else []
    conditions += [["OBJECT", "in", list(object)]] if object else []
    _check_keywords([condition[0] for condition in conditions])
    not_junk &= chosen.select.not_junk
    chosen = _add_conditions(chosen, conditions)
    table = fetch_table([chosen], period.first, period.last, not_junk=not_junk)
    if object:
        names = resolve_objects(object, table.series("OBJECT").as_text().values)
        chosen = _add_conditions(
            chosen, [["OBJECT", "in", names]], replaced=["OBJECT", "in", list(object)]
        )
    # A condition with a value of the wrong kind is an error here, not when the plot is drawn
    table.selection_mask(chosen.select)
    span = period.first if period.first == period.last else f"{period.first} to {period.last}"
    return ExplorationResult(
        PanelView(table, chosen), period.span(datetime.now(UTC)), span, siblings
    )


def _add_conditions(
    chosen: TimeSeriesPanel, conditions: Sequence[list[Any]], replaced: list[Any] | None = None
) -> TimeSeriesPanel:
    """A panel with further conditions, in place of another one."""
    kept = [condition for condition in chosen.select.where if condition != replaced]
    select = chosen.select.model_copy(update={"where": [*kept, *conditions]})
    return chosen.model_copy(update={"select": select})


def ad_hoc_panel(keywords: Sequence[str]) -> TimeSeriesPanel:
    """A panel of any keywords: one row per unit of numbers, or texts as states.

    Times are drawn as hours after the start of the observation, switches as 1 and 0, radial
    velocities in m/s about the median of each OBJECT, and their errors in m/s.
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
    velocities = velocity_rows(name for name, entry in known.items() if entry.unit == VELOCITY_UNIT)
    units: dict[str, dict[str, str]] = {}
    for name, entry in known.items():
        if name in velocities:
            continue
        unit = TIME_UNIT if entry.kind is ValueKind.TIME else entry.unit
        units.setdefault(unit, {})[name] = name
    rows = [*velocities.values()] + [
        {"label": next(iter(lines)) if len(lines) == 1 else "value", "unit": unit, "lines": lines}
        for unit, lines in units.items()
    ]
    return TimeSeriesPanel.model_validate(common | {"rows": rows})


def velocity_rows(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The rows of those keywords that are radial velocities or their errors, by keyword.

    KPF names the error of CCFRV and CCD1RV2 CCFERV and CCD1ERV2.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        bare = name.rpartition(":")[2]
        error = name.replace("RV", "ERV", 1)
        line: dict[str, Any] = {"column": name, "scale": 1000}
        row = {"unit": "m/s", "by": "OBJECT", "lines": {name: line}}
        if "RV" in bare and is_known(bare.replace("RV", "ERV", 1)):
            line["error"] = error
            rows[name] = {**row, "label": f"{name} - median", "relative": True}
        elif "ERV" in bare and is_known(bare.replace("ERV", "RV", 1)):
            rows[name] = {**row, "label": name}
    return rows


def _check_keywords(columns: Sequence[str]) -> None:
    with database.read_transaction() as connection:
        catalogue.resolve_names(connection, columns)


def _known_nights(start: str) -> list[str]:
    return [] if start else list(read_night_fingerprints())
