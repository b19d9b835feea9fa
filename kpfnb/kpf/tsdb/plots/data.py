"""What panels show: one question to the database for several panels, and the rows of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.keyword_query import NightOrTime, query
from kpfnb.kpf.tsdb.plots.panel import PanelSelection, TimeSeriesPanel
from kpfnb.kpf.tsdb.series import Array, Series, ValueKind

if TYPE_CHECKING:
    import pandas as pd

_MICROSECONDS_PER_DAY = 86_400e6


class PanelTable:
    """Observations in order of time, with the keywords of some panels.

    Attributes
    ----------
    frame : as `query` gives it
    missing : the keywords that the database does not know
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
        """When each observation began, days since 1970."""
        return _to_microseconds(self.frame["time"]) / _MICROSECONDS_PER_DAY

    def series(self, column: str) -> Series:
        """The values of a keyword; all null where the database does not know it."""
        if column not in self._series:
            known = column in self.frame
            nothing = Series(ValueKind.FLOAT, np.full(len(self), np.nan))
            self._series[column] = _to_series(self.frame[column]) if known else nothing
        return self._series[column]

    def selection_mask(self, select: PanelSelection) -> Array:
        """The mask of the observations that a panel is about."""
        key = select.model_dump_json()
        if key not in self._masks:
            mask = np.ones(len(self), dtype=bool)
            for condition in select.conditions():
                # No observation has a keyword that is not known: as a null, it fulfils nothing
                known = condition.column not in self.missing
                mask &= condition.matches(self.series(condition.column)) if known else False
            self._masks[key] = mask
        return self._masks[key]


@dataclass(frozen=True)
class PanelView:
    """The observations of one panel."""

    table: PanelTable
    panel: TimeSeriesPanel

    @cached_property
    def mask(self) -> Array:
        """Of the table's rows."""
        return self.table.selection_mask(self.panel.select)

    @cached_property
    def times(self) -> Array:
        """When each began, days since 1970."""
        return self.table.times[self.mask]

    @cached_property
    def obsids(self) -> Array:
        """Their names."""
        return self.table.frame.index.to_numpy(dtype=object)[self.mask]

    @property
    def missing(self) -> list[str]:
        """The keywords of the panel that the database does not know."""
        return [column for column in self.panel.keywords() if column in self.table.missing]

    def numbers(self, column: str) -> Array:
        """The values of a keyword as numbers; NaN for null, and for what is no number."""
        series = self.table.series(column)
        if series.kind is ValueKind.TEXT:
            return np.full(self.times.size, np.nan)
        found: Array = series.values[self.mask]
        return found

    def texts(self, column: str) -> Array:
        """The values of a keyword as texts, None for null."""
        return self.table.series(column).as_text().values[self.mask]

    @cached_property
    def failed_mask(self) -> Array:
        """The mask of the observations that fail a check of the panel's `qc`."""
        found = np.zeros(self.times.size, dtype=bool)
        for column in self.panel.qc:
            found |= self.numbers(column) == 0
        return found

    @cached_property
    def is_empty(self) -> bool:
        """True where nothing is there to be drawn."""
        drawn = self.panel.drawn_keywords()
        return not any(_has_values(self.table.series(column), self.mask) for column in drawn)


def fetch_table(
    panels: Iterable[TimeSeriesPanel],
    start: NightOrTime,
    end: NightOrTime,
    *,
    not_junk: bool = True,
) -> PanelTable:
    """What some panels need, by one question. Errors are those of `query`.

    Keywords that the database does not know are told in the table, not refused.
    """
    wanted = list(dict.fromkeys(column for panel in panels for column in panel.keywords()))
    with database.read_transaction() as connection:
        known = catalogue.resolve_known_names(connection, wanted)
    frame = query([name for name in wanted if name in known], start, end, not_junk=not_junk)
    return PanelTable(frame, (name for name in wanted if name not in known))


def _to_series(column: pd.Series) -> Series:
    """A column of `query` as the database has it."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return Series(ValueKind.TIME, _to_microseconds(column))
    if pd.api.types.is_numeric_dtype(column.dtype):
        whole = pd.api.types.is_integer_dtype(column.dtype)
        kind = ValueKind.BOOL if pd.api.types.is_bool_dtype(column.dtype) else ValueKind.FLOAT
        values = column.to_numpy(dtype=float, na_value=np.nan)
        return Series(ValueKind.INT if whole else kind, values)
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
