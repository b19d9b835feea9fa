"""Nights in the database with the keywords of a test, without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kpfnb.kpf.files.keywords import PRIMARY, TELEMETRY
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb import batch, database, store
from kpfnb.kpf.tsdb.batch import (
    SOURCE_KEYWORD,
    IngestedFile,
    ObservationBatch,
    ObservationInfo,
)
from kpfnb.kpf.tsdb.file_content import FileSignature, Keyword
from kpfnb.kpf.tsdb.kinds import ValueKind
from kpfnb.kpf.tsdb.series import Series, format_mask

NIGHT = "20240115"


def fill(
    night: str, columns: Mapping[str, Sequence[Any]], sources: Sequence[str] = (), first: int = 3600
) -> list[str]:
    """Store a night with one observation every ten minutes, and return the ObsIDs.

    columns : LEVEL:KEYWORD, or KEYWORD of L0, to numbers or texts
    """
    size = len(next(iter(columns.values())))
    obsids = tuple(f"KP.{night}.{first + 600 * number:05d}.00" for number in range(size))
    kinds = np.array(list(sources) or ["Star"] * size, dtype=object)
    series = {SOURCE_KEYWORD: Series(ValueKind.TEXT, kinds)}
    for column, values in columns.items():
        level, _, name = column.rpartition(":")
        extension = TELEMETRY if "." in name else PRIMARY
        series[Keyword(level or "L0", extension, name)] = _series(values)
    all_rows = np.ones(size, bool)
    packed, repeated = batch.pack_columns(series, dict.fromkeys(KPF.levels, all_rows))
    files = [
        IngestedFile(obsid, level, f"{level}/{obsid}.fits", FileSignature(1, 1), 1, "v2.9", ())
        for obsid in obsids
        for level in KPF.levels
    ]
    present = dict.fromkeys(KPF.levels, format_mask(all_rows))
    observations = dict.fromkeys(obsids, ObservationInfo("Star", tuple(KPF.levels)))
    batch_to_store = ObservationBatch(
        night, obsids, present, packed, repeated, files=tuple(files), observations=observations
    )
    with database.write_transaction() as connection:
        store.store_batch(connection, batch_to_store)
    return list(obsids)


def _series(values: Sequence[Any]) -> Series:
    if any(isinstance(value, str) for value in values):
        return Series(ValueKind.TEXT, np.array(values, dtype=object))
    return Series(ValueKind.FLOAT, np.array(values, dtype=float))
