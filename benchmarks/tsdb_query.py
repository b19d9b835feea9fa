"""How fast the time-series database answers.

    python benchmarks/tsdb_query.py [--observations 1000000] [--folder DIRECTORY] [--sqlite-only]

Nights of 466 observations made by a generator, every table filled, in an SQLite file and in a
separate PostgreSQL server; both are removed afterwards. Then ten columns over all of them, over
180,000 (a year) and over one night. Wall-clock, best of three; with the CPU time of the client.

Why blocks by keyword and night (`kpfnb.kpf.tsdb.schema`): ten float columns over a million
observations in SQLite, on two busy cores, CPU seconds to read and bytes a value on disk:

    row by row, tables of 40 columns        2.65    9.3
    blocks, JSON                            1.39   15.9
    blocks, doubles, zlib level 1           0.62    8.8
    blocks, doubles                         0.29    8.8

With the whole layout: ten columns of a million observations (floats, texts, times) in 0.6 CPU-s, a
night in 3 ms.

Rows of 2,000 columns cost a multiple of the first line. Compression gains nothing on measured
values, and what is constant over a night is stored once. Plain SQL can read doubles, too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kpfnb.compute.services import postgres
from kpfnb.demo.tree import consecutive_nights
from kpfnb.kpf.files.keywords import PRIMARY, TELEMETRY
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb import batch, database, maintenance, query, store
from kpfnb.kpf.tsdb.batch import (
    IngestedFile,
    ObservationBatch,
    ObservationInfo,
)
from kpfnb.kpf.tsdb.file_content import RV, FileSignature, Keyword
from kpfnb.kpf.tsdb.kinds import ValueKind
from kpfnb.kpf.tsdb.series import Series, format_mask

PER_NIGHT = 466
YEAR = 180_000
REPEATS = 3
VARYING, CONSTANT = 40, 60
"""Keywords of each level."""

COLUMNS = (
    *("OBJECT", "DATE-MID", "NOTJUNK", "L0V00", "L0V01", "kpfmet.T00", "2DV00", "L1V00"),
    *("L2V00", "RVS00"),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--observations", type=int, default=1_000_000)
    options.add_argument("--folder", type=Path, help="where to build the SQLite file")
    options.add_argument("--sqlite-only", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        os.environ["KPFNB_WORK_DIR"] = os.environ["KPFNB_DATA_ROOT"] = folder
        measure("SQLite", chosen.observations)
    if not chosen.sqlite_only:
        with tempfile.TemporaryDirectory() as folder, server():
            os.environ["KPFNB_WORK_DIR"] = os.environ["KPFNB_DATA_ROOT"] = folder
            measure("PostgreSQL", chosen.observations)


@contextmanager
def server() -> Iterator[None]:
    with postgres.temporary_server() as server:
        os.environ["KPFNB_TSDB_URL"] = server.url
        yield
        database.close_connections()


def measure(name: str, observations: int) -> None:
    nights = consecutive_nights("20210101", -(-observations // PER_NIGHT))
    begin = time.process_time()
    fill(nights)
    seconds = time.process_time() - begin
    status = maintenance.read_status()
    print(f"{name}: {status.rows['observation']:,} observations, {status.rows['keyword']} keywords")
    print(f"  filled in {seconds:.0f} CPU-s; {status.bytes_per_observation / 1000:.2f} kB each")
    year = nights[-(-YEAR // PER_NIGHT) - 1 :][:1]
    ask("everything", 2.0, nights[0], nights[-1])
    ask("a year of 180,000", 0.4, nights[0], *year)
    ask("one night", 0.01, nights[0], nights[0])


def ask(label: str, limit: float, start: str, end: str = "") -> None:
    best = cpu = float("inf")
    for _ in range(REPEATS):
        wall, cpu_start = time.perf_counter(), time.process_time()
        frame = query(COLUMNS, start, end)
        best, cpu = min(best, time.perf_counter() - wall), min(cpu, time.process_time() - cpu_start)
    verdict = "ok" if best <= limit else "TOO SLOW"
    print(
        f"  {label:<18} {len(frame):>9,} rows {best:8.4f} s {cpu:8.4f} CPU-s"
        f"  allowed {limit} s, {verdict}",
        flush=True,
    )


def fill(nights: list[str]) -> None:
    random = np.random.default_rng(1)
    for night in nights:
        rows = generate(night, random)
        with database.write_transaction() as connection:
            store.store_batch(connection, rows)


def generate(night: str, random: np.random.Generator) -> ObservationBatch:
    obsids = tuple(f"KP.{night}.{number * 180 + 17:05d}.25" for number in range(PER_NIGHT))
    everywhere = np.ones(PER_NIGHT, bool)
    series = {key: Series(ValueKind.FLOAT, random.normal(20, 1, PER_NIGHT)) for key in varying()}
    for level in KPF.levels:
        for number in range(CONSTANT):
            key = Keyword(level, PRIMARY, f"{level}C{number:02d}")
            series[key] = Series(ValueKind.FLOAT, np.full(PER_NIGHT, float(number)))
    objects = np.array([f"{number % 40}700" for number in range(PER_NIGHT)], dtype=object)
    series[Keyword("L0", PRIMARY, "OBJECT")] = Series(ValueKind.TEXT, objects)
    times = np.array([batch.start_microseconds(obsid) for obsid in obsids])
    series[Keyword("L0", PRIMARY, "DATE-MID")] = Series(ValueKind.TIME, times)
    series[Keyword("2D", PRIMARY, "NOTJUNK")] = Series(ValueKind.INT, np.ones(PER_NIGHT))
    columns, same = batch.pack_columns(series, dict.fromkeys(KPF.levels, everywhere))
    levels = tuple(KPF.levels)
    return ObservationBatch(
        night,
        obsids,
        dict.fromkeys(levels, format_mask(everywhere)),
        columns,
        same,
        files=tuple(
            IngestedFile(obsid, level, f"{level}/{obsid}.fits", FileSignature(1, 1), 1, "v2.9", ())
            for obsid in obsids
            for level in levels
        ),
        observations=dict.fromkeys(obsids, ObservationInfo("Star", levels)),
    )


def varying() -> list[Keyword]:
    keywords = [
        Keyword(level, PRIMARY, f"{level}V{number:02d}")
        for level in KPF.levels
        for number in range(VARYING)
    ]
    keywords += [Keyword("L0", TELEMETRY, f"kpfmet.T{number:02d}") for number in range(VARYING)]
    return keywords + [Keyword("L2", RV, f"RVS{number:02d}") for number in range(VARYING)]


if __name__ == "__main__":
    main()
