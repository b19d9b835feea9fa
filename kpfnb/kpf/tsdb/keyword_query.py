"""Ask the time-series database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files import obsid_list
from kpfnb.kpf.files.obsid import NIGHT_PATTERN
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb import columns as conditions
from kpfnb.kpf.tsdb.batch import SOURCE_KEYWORD
from kpfnb.kpf.tsdb.columns import Condition, ObservationColumns
from kpfnb.kpf.tsdb.series import Array, Series, ValueKind

if TYPE_CHECKING:
    import pandas as pd

NightOrTime = str | date | datetime
"""A night as YYYYMMDD (all of it), a date, or a UTC time; '' leaves the range open."""

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
    """Keywords of observations: one row an observation, in order of time.

    Parameters
    ----------
    columns : keywords; one that several levels have is that of the first, or LEVEL:KEYWORD
    start, end : nights, both included; or UTC times, the end not included
    source : kinds of source, such as Star or Etalon (`kpfnb.kpf.files.exposure.SOURCE_TYPES`)
    object : values of OBJECT
    where : conditions that all must hold, such as [["AIRMASS", "<", 1.5], ["IMTYPE", "in", [...]]]
    not_junk : leave out what the junk list names, and what has NOTJUNK = 0
    qc : keywords of quality control that must be 1; where it is unknown the row is left out

    Returns
    -------
    index ObsID; `time` (start, UTC) and the columns asked for, as bool, int, float, UTC times and
    str; with nulls bool and int are pandas' nullable `boolean` and `Int64`

    Raises
    ------
    InvalidParameterError : an unknown column (tells the nearest), date or operator
    InvalidInputError, ServiceUnavailableError : there is no database, or it does not answer; the junk list can't
        be read
    """
    asked = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    wanted = conditions.parse_conditions(where) + _simple_conditions(source, object, qc)
    low, high = _night_of(start, "start"), _night_of(end, "end")
    given = settings.load_settings()
    with database.read_transaction(given) as connection:
        names = [*asked, *(one.column for one in wanted)]
        entries = catalogue.resolve_names(connection, names)
        if not_junk:
            entries |= catalogue.resolve_known_names(connection, [NOT_JUNK_KEYWORD])
        table = ObservationColumns(connection, low, high)
        series = table.read_series(list({entry.id: entry for entry in entries.values()}.values()))
    by_name = {name: series[entry.id] for name, entry in entries.items()}
    keep = _time_mask(table.times, start, end)
    for one in wanted:
        keep &= one.matches(by_name[one.column])
    if not_junk:
        keep &= ~_junk_mask(
            table.obsids, by_name.get(NOT_JUNK_KEYWORD), _listed_junk(given.junk_path)
        )
    return _to_frame(table, {name: by_name[name] for name in asked}, keep)


def _simple_conditions(
    source: str | Sequence[str] | None, name: str | Sequence[str] | None, qc: Sequence[str]
) -> list[Condition]:
    found = [Condition(keyword, "==", 1) for keyword in ([qc] if isinstance(qc, str) else qc)]
    for column, values in ((SOURCE_KEYWORD.name, source), ("OBJECT", name)):
        if values is not None:
            some = [values] if isinstance(values, str) else list(values)
            found.append(Condition(column, "in", some))
    return found


def _night_of(moment: NightOrTime, name: str) -> str:
    """The night in which a moment is, YYYYMMDD."""
    if isinstance(moment, str):
        if not moment or NIGHT_PATTERN.fullmatch(moment):
            return moment
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            hint = "write a night as 20240115, or a UTC time as 2024-01-15T08:30"
            raise InvalidParameterError(f"{name}: {moment!r} is no date", hint) from None
    return _to_utc(moment).strftime("%Y%m%d")


def _to_utc(moment: date | datetime) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time_mask(times: Array, start: NightOrTime, end: NightOrTime) -> Array:
    keep = np.ones(times.size, dtype=bool)
    if begins := _exact_microseconds(start):
        keep &= times >= begins
    if ends := _exact_microseconds(end):
        keep &= times < ends
    return keep


def _exact_microseconds(moment: NightOrTime) -> float | None:
    """A time in us since 1970; None for a whole night, which the nights tell already."""
    if isinstance(moment, str):
        if not moment or NIGHT_PATTERN.fullmatch(moment):
            return None
        moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return None
    return _to_utc(moment).timestamp() * 1e6


def _junk_mask(obsids: Sequence[str], flags: Series | None, listed: Collection[str]) -> Array:
    found = np.zeros(len(obsids), dtype=bool)
    if listed:
        found |= np.fromiter((obsid in listed for obsid in obsids), bool, len(obsids))
    if flags is not None and flags.kind is not ValueKind.TEXT:
        found |= flags.values == 0
    return found


def _listed_junk(path: Path) -> Collection[str]:
    """What the junk list names; a list that can't be read must not make junk good."""
    try:
        modified_ns = path.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise _junk_list_error(f"can't read the list {path}: {error.strerror}") from None
    return _read_junk_list(path, modified_ns)


@lru_cache(maxsize=4)
def _read_junk_list(path: Path, modified_ns: int) -> frozenset[str]:
    found = obsid_list.read_junk_list(path)
    if found.problem:
        raise _junk_list_error(found.problem)
    return found.obsids


def _junk_list_error(problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"junk list: {problem}", "make it readable, or ask with not_junk=False"
    )


def _to_frame(table: ObservationColumns, series: Mapping[str, Series], keep: Array) -> pd.DataFrame:
    import pandas as pd

    obsids: Any = table.obsids
    everything = bool(keep.all())
    if not everything:
        obsids = [table.obsids[row] for row in np.flatnonzero(keep)]
    rows: slice | Array = slice(None) if everything else keep
    times = table.times[rows].astype(np.int64).view(_TIME_DTYPE)
    columns = {"time": pd.Series(times).dt.tz_localize(UTC).array}
    for name, (kind, values) in series.items():
        columns[name] = _to_pandas(kind, values[rows])
    index = pd.Index(obsids, name="ObsID", dtype="str")
    return pd.DataFrame(columns, index=index, copy=False)


def _to_pandas(kind: ValueKind, values: Array) -> Any:
    """Values as pandas knows their kind."""
    import pandas as pd

    if kind is ValueKind.TEXT:
        return pd.array(values, dtype="str")
    if kind is ValueKind.FLOAT:
        return values
    null = np.isnan(values)
    if kind is ValueKind.TIME:
        whole = np.where(null, np.iinfo(np.int64).min, values).astype(np.int64)
        return pd.Series(whole.view(_TIME_DTYPE)).dt.tz_localize(UTC).array
    plain = np.where(null, 0, values).astype(bool if kind is ValueKind.BOOL else np.int64)
    if not null.any():
        return plain
    arrays = pd.arrays
    return (arrays.BooleanArray if kind is ValueKind.BOOL else arrays.IntegerArray)(plain, null)
