"""The data of panels: one query of the database for several panels, and the rows of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.keyword_query import NightOrTime, query
from kpfnb.kpf.tsdb.kinds import ValueKind
from kpfnb.kpf.tsdb.plots.panel import PanelSelection, TimeSeriesPanel
from kpfnb.kpf.tsdb.series import Array, Series

if TYPE_CHECKING:
    import pandas as pd

_MICROSECONDS_PER_DAY = 86_400e6

_HOURS_PER_DAY = 24

_BOOL_WORDS = {"T": "yes", "F": "no"}
"""Switches and flags as texts: an open shutter is yes."""


class PanelTable:
    """Observations in order of time, with the keywords of several panels.

    Attributes
    ----------
    frame : the result of `query`
    missing : the keywords that are not in the database
    """

    def __init__(self, frame: pd.DataFrame, missing: Iterable[str] = ()) -> None:
        self.frame = frame
        self.missing = tuple(missing)
        self._masks: dict[str, Array] = {}
        self._series: dict[str, Series] = {}

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def times(self) -> Array:
        """The start of each observation, days since 1970."""
        return _to_microseconds(self.frame["time"]) / _MICROSECONDS_PER_DAY

    def series(self, column: str) -> Series:
        """The values of a keyword; all null if it is not in the database."""
        if column not in self._series:
            known = column in self.frame
            nulls = Series(ValueKind.FLOAT, np.full(len(self), np.nan))
            self._series[column] = _to_series(self.frame[column]) if known else nulls
        return self._series[column]

    def selection_mask(self, select: PanelSelection) -> Array:
        """The mask of the observations that a panel selects."""
        key = select.model_dump_json()
        if key not in self._masks:
            mask = np.ones(len(self), dtype=bool)
            for condition in select.conditions():
                # A keyword that is not in the database is null everywhere, and null never matches
                known = condition.column not in self.missing
                mask &= condition.matches(self.series(condition.column)) if known else False
            self._masks[key] = mask
        return self._masks[key]


@dataclass(frozen=True)
class PanelView:
    """The observations of one panel in a table."""

    table: PanelTable
    panel: TimeSeriesPanel

    @cached_property
    def mask(self) -> Array:
        """The mask of the table's rows."""
        return self.table.selection_mask(self.panel.select)

    @cached_property
    def times(self) -> Array:
        """The start of each observation, days since 1970."""
        return self.table.times[self.mask]

    @cached_property
    def obsids(self) -> Array:
        """Their ObsIDs."""
        return self.table.frame.index.to_numpy(dtype=object)[self.mask]

    @property
    def missing(self) -> list[str]:
        """The keywords of the panel that are not in the database."""
        return [column for column in self.panel.keywords() if column in self.table.missing]

    def numbers(self, column: str) -> Array:
        """The values of a keyword as numbers; NaN for null and for text.

        Of a time it is the number of hours from the start of the observation.
        """
        series = self.table.series(column)
        if series.kind is ValueKind.TEXT:
            return np.full(self.times.size, np.nan)
        values: Array = series.values[self.mask]
        if series.kind is ValueKind.TIME:
            return (values / _MICROSECONDS_PER_DAY - self.times) * _HOURS_PER_DAY
        return values

    def texts(self, column: str) -> Array:
        """The values of a keyword as text; None for null."""
        series = self.table.series(column)
        values: Array = series.as_text().values[self.mask]
        if series.kind is ValueKind.BOOL:
            return np.array([_BOOL_WORDS.get(value) for value in values], dtype=object)
        return values

    @cached_property
    def failed_mask(self) -> Array:
        """The mask of the observations that fail a check in the panel's `qc`."""
        mask = np.zeros(self.times.size, dtype=bool)
        for column in self.panel.qc:
            mask |= self.numbers(column) == 0
        return mask

    @cached_property
    def is_empty(self) -> bool:
        """True if there is nothing to draw."""
        drawn = self.panel.drawn_keywords()
        return not any(_has_values(self.table.series(column), self.mask) for column in drawn)


def fetch_table(
    panels: Iterable[TimeSeriesPanel],
    start: NightOrTime,
    end: NightOrTime,
    *,
    not_junk: bool = True,
) -> PanelTable:
    """Query the keywords of several panels at once. Errors are those of `query`.

    Keywords that are not in the database are listed in the table; they are not an error.
    """
    keywords = list(dict.fromkeys(column for panel in panels for column in panel.keywords()))
    with database.read_transaction() as connection:
        known = catalogue.resolve_known_names(connection, keywords)
    frame = query([name for name in keywords if name in known], start, end, not_junk=not_junk)
    return PanelTable(frame, (name for name in keywords if name not in known))


def _to_series(column: pd.Series) -> Series:
    """A column of `query` as a series of the database."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return Series(ValueKind.TIME, _to_microseconds(column))
    if pd.api.types.is_numeric_dtype(column.dtype):
        is_integer = pd.api.types.is_integer_dtype(column.dtype)
        kind = ValueKind.BOOL if pd.api.types.is_bool_dtype(column.dtype) else ValueKind.FLOAT
        values = column.to_numpy(dtype=float, na_value=np.nan)
        return Series(ValueKind.INT if is_integer else kind, values)
    texts = np.array(column, dtype=object)
    texts[column.isna().to_numpy()] = None
    return Series(ValueKind.TEXT, texts)


def _to_microseconds(column: pd.Series) -> Array:
    moments = column.to_numpy(dtype="datetime64[us]")
    values = moments.astype(np.int64).astype(float)
    values[np.isnat(moments)] = np.nan
    return values


def _has_values(series: Series, mask: Array) -> bool:
    values = series.values[mask]
    if series.kind is ValueKind.TEXT:
        return any(value is not None for value in values)
    return not np.isnan(values).all()
