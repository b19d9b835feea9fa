"""The query function of the time-series database: keywords as a pandas table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files import exposure
from kpfnb.kpf.files.obsid import NIGHT_PATTERN
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.batch import SOURCE_KEYWORD
from kpfnb.kpf.tsdb.columns import Condition, ObservationColumns, parse_conditions
from kpfnb.kpf.tsdb.kinds import ValueKind
from kpfnb.kpf.tsdb.series import Array, Series

if TYPE_CHECKING:
    import pandas as pd

NightOrTime = str | date | datetime
"""A whole night as YYYYMMDD or a date, or a UTC time; '' leaves the range open."""

NOT_JUNK_KEYWORD = "NOTJUNK"
_TIME_DTYPE = "datetime64[us]"


def query(
    columns: Sequence[str],
    start: NightOrTime = "",
    end: NightOrTime = "",
    *,
    source: str | Sequence[str] | None = None,
    object: str | Sequence[str] | None = None,
    where: Sequence[Sequence[Any]] | None = None,
    not_junk: bool = True,
    qc: Sequence[str] = (),
) -> pd.DataFrame:
    """Keywords of observations: one row per observation, in order of time.

    Parameters
    ----------
    columns : keywords, as KEYWORD (of the first level that has it) or LEVEL:KEYWORD
    start, end : nights, both included; or UTC times, the end not included
    source : kinds of source, such as Star or Etalon (`kpfnb.kpf.files.exposure.SOURCE_TYPES`)
    object : values of OBJECT
    where : conditions that all must hold, such as [["AIRMASS", "<", 1.5], ["IMTYPE", "in", [...]]];
        for a switch also the words of the files: ["GREEN", "==", "YES"]
    not_junk : leave out observations in the junk list and those with NOTJUNK = 0
    qc : keywords of quality control that must be 1; a row without a value is left out

    Returns
    -------
    index ObsID; `time` (start, UTC) and the requested columns as bool, int, float, UTC times and
    str; bool and int columns with nulls have pandas' nullable types `boolean` and `Int64`. Times in
    HST are in UTC. A value that is not of the kind of its column is null (`kpfnb tsdb problems`)

    Raises
    ------
    InvalidParameterError : unknown column (the message suggests similar ones), date or operator
    InvalidInputError : there is no database, or the junk list can't be read
    ServiceUnavailableError : the database does not answer
    """
    requested = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    conditions = parse_conditions(where) + _simple_conditions(source, object, qc)
    low, high = _night_of(start, "start"), _night_of(end, "end")
    loaded_settings = settings.load_settings()
    with database.read_transaction(loaded_settings) as connection:
        names = [*requested, *(condition.column for condition in conditions)]
        entries = catalogue.resolve_names(connection, names)
        if not_junk:
            entries |= catalogue.resolve_known_names(connection, [NOT_JUNK_KEYWORD])
        observations = ObservationColumns(connection, low, high)
        series = observations.read_series(
            list({entry.id: entry for entry in entries.values()}.values())
        )
    by_name = {name: series[entry.id] for name, entry in entries.items()}
    selected = _time_mask(observations.times, start, end)
    for condition in conditions:
        selected &= condition.matches(by_name[condition.column])
    if not_junk:
        selected &= ~_junk_mask(
            observations.obsids,
            by_name.get(NOT_JUNK_KEYWORD),
            _listed_junk(loaded_settings.junk_path),
        )
    return _to_frame(observations, {name: by_name[name] for name in requested}, selected)


def _simple_conditions(
    source: str | Sequence[str] | None, name: str | Sequence[str] | None, qc: Sequence[str]
) -> list[Condition]:
    conditions = [Condition(keyword, "==", 1) for keyword in ([qc] if isinstance(qc, str) else qc)]
    for column, values in ((SOURCE_KEYWORD.name, source), ("OBJECT", name)):
        if values is not None:
            choices = [values] if isinstance(values, str) else list(values)
            conditions.append(Condition(column, "in", choices))
    return conditions


def _night_of(moment: NightOrTime, name: str) -> str:
    """The night of a moment as YYYYMMDD; '' for an open range."""
    if isinstance(moment, str):
        if not moment or NIGHT_PATTERN.fullmatch(moment):
            return moment
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            hint = "write a night as 20240115, or a UTC time as 2024-01-15T08:30"
            raise InvalidParameterError(f"{name}: {moment!r} is not a valid date", hint) from None
    return _to_utc(moment).strftime("%Y%m%d")


def _to_utc(moment: date | datetime) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time_mask(times: Array, start: NightOrTime, end: NightOrTime) -> Array:
    mask = np.ones(times.size, dtype=bool)
    if first := _exact_microseconds(start):
        mask &= times >= first
    if last := _exact_microseconds(end):
        mask &= times < last
    return mask


def _exact_microseconds(moment: NightOrTime) -> float | None:
    """A time in microseconds since 1970; None for a whole night."""
    if isinstance(moment, str):
        if not moment or NIGHT_PATTERN.fullmatch(moment):
            return None
        moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return None
    return _to_utc(moment).timestamp() * 1e6


def _junk_mask(obsids: Sequence[str], flags: Series | None, listed: Collection[str]) -> Array:
    mask = np.zeros(len(obsids), dtype=bool)
    if listed:
        mask |= np.fromiter((obsid in listed for obsid in obsids), bool, len(obsids))
    if flags is not None and flags.kind is not ValueKind.TEXT:
        mask |= flags.values == 0
    return mask


def _listed_junk(path: Path) -> Collection[str]:
    """The ObsIDs in the junk list. An unreadable list is an error: junk must not pass as good."""
    try:
        modified_ns = path.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise _junk_list_error(f"can't read the list {path}: {error.strerror}") from None
    return _read_junk_list(path, modified_ns)


@lru_cache(maxsize=4)
def _read_junk_list(path: Path, modified_ns: int) -> frozenset[str]:
    junk_list = exposure.read_junk_list(path)
    if junk_list.problem:
        raise _junk_list_error(junk_list.problem)
    return junk_list.obsids


def _junk_list_error(problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"junk list: {problem}", "make it readable, or query with not_junk=False"
    )


def _to_frame(table: ObservationColumns, series: Mapping[str, Series], mask: Array) -> pd.DataFrame:
    import pandas as pd

    obsids: Any = table.obsids
    all_selected = bool(mask.all())
    if not all_selected:
        obsids = [table.obsids[row] for row in np.flatnonzero(mask)]
    rows: slice | Array = slice(None) if all_selected else mask
    times = table.times[rows].astype(np.int64).view(_TIME_DTYPE)
    columns = {"time": pd.Series(times).dt.tz_localize(UTC).array}
    for name, one in series.items():
        columns[name] = _to_pandas(one.kind, one.values[rows])
    index = pd.Index(obsids, name="ObsID", dtype="str")
    return pd.DataFrame(columns, index=index, copy=False)


def _to_pandas(kind: ValueKind, values: Array) -> Any:
    """Values as a pandas or numpy array of their kind."""
    import pandas as pd

    if kind is ValueKind.TEXT:
        return pd.array(values, dtype="str")
    if kind is ValueKind.FLOAT:
        return values
    is_null = np.isnan(values)
    if kind is ValueKind.TIME:
        microseconds = np.where(is_null, np.iinfo(np.int64).min, values).astype(np.int64)
        return pd.Series(microseconds.view(_TIME_DTYPE)).dt.tz_localize(UTC).array
    filled = np.where(is_null, 0, values).astype(bool if kind is ValueKind.BOOL else np.int64)
    if not is_null.any():
        return filled
    arrays = pd.arrays
    return (arrays.BooleanArray if kind is ValueKind.BOOL else arrays.IntegerArray)(filled, is_null)
