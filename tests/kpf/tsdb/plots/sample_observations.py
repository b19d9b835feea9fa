"""Nights in the database with the keywords that a test wants, and no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.tsdb import batch, database, packing, store
from kpfnb.kpf.tsdb.batch import SOURCE, Batch, File, Observed
from kpfnb.kpf.tsdb.content import PRIMARY, TELEMETRY, Keyword, Known
from kpfnb.kpf.tsdb.kinds import Kind
from kpfnb.kpf.tsdb.packing import Series

NIGHT = "20240115"


def fill(
    night: str, columns: Mapping[str, Sequence[Any]], sources: Sequence[str] = (), first: int = 3600
) -> list[str]:
    """Put a night into the database, an observation each ten minutes; gives the ObsIDs.

    columns : LEVEL:KEYWORD, or KEYWORD of L0, to numbers or texts
    """
    size = len(next(iter(columns.values())))
    obsids = tuple(f"KP.{night}.{first + 600 * number:05d}.00" for number in range(size))
    kinds = np.array(list(sources) or ["Star"] * size, dtype=object)
    series = {SOURCE: Series(Kind.TEXT, kinds)}
    for column, values in columns.items():
        level, _, name = column.rpartition(":")
        extension = TELEMETRY if "." in name else PRIMARY
        series[Keyword(level or "L0", extension, name)] = _series(values)
    everywhere = np.ones(size, bool)
    packed, same = batch.pack(series, dict.fromkeys(KPF.levels, everywhere))
    files = [
        File(obsid, level, f"{level}/{obsid}.fits", Known(1, 1), 1, "v2.9", ())
        for obsid in obsids
        for level in KPF.levels
    ]
    present = dict.fromkeys(KPF.levels, packing.unmask(everywhere))
    observed = dict.fromkeys(obsids, Observed("Star", tuple(KPF.levels)))
    made = Batch(night, obsids, present, packed, same, files=tuple(files), observed=observed)
    with database.writing() as connection:
        store.put(connection, made)
    return list(obsids)


def _series(values: Sequence[Any]) -> Series:
    if any(isinstance(value, str) for value in values):
        return Series(Kind.TEXT, np.array(values, dtype=object))
    return Series(Kind.FLOAT, np.array(values, dtype=float))
