"""How fast the standard panels of the time series are drawn.

    python benchmarks/timeseries.py [--folder DIRECTORY]

A year of 180,000 observations that have every keyword of every panel, made by a generator; then the
panels of the year, of a day and of a month. Wall-clock, on the workers of the settings.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kpfnb.demo.tree import consecutive_nights
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
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel, load_panels
from kpfnb.kpf.tsdb.series import Series, format_mask

PER_NIGHT = 493
NIGHTS = 365
SOURCES = ("Star",) * 8 + ("Sun",) * 6 + ("Etalon", "LFC", "Bias", "Dark", "Flat", "ThAr")
TEXTS = {
    "IMTYPE": ("Object", "Bias"),
    "OBJECT": tuple(f"{number}700" for number in range(40)),
    "PROGNAME": tuple(f"U{number:03d}" for number in range(20)),
    "READSPED": ("regular", "fast"),
    "KPFERA": ("2.0",),
    "LFCMODE": ("AstroComb", "StandbyHigh"),
    "AGITSTA": ("Running", "Stopped"),
    "OCTAGON": ("LFCFiber", "EtalonFiber", "BrdbandFiber"),
}
LIMITS = {"day": 10.0, "year": 60.0}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, help="where to build the database")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        os.environ["KPFNB_WORK_DIR"] = os.environ["KPFNB_DATA_ROOT"] = folder
        begin = time.perf_counter()
        fill(consecutive_nights("20240101", NIGHTS))
        size = Path(folder, database.FILE_NAME).stat().st_size / 1e6
        seconds = time.perf_counter() - begin
        print(f"{NIGHTS * PER_NIGHT:,} observations in {seconds:.0f} s, {size:.0f} MB")
        for interval in ("day", "month", "year"):
            measure(interval)


def measure(interval: str) -> None:
    from kpfnb.kpf.timeseries import render

    begin = time.perf_counter()
    result = render.render_interval(interval, "20240615")
    wall = time.perf_counter() - begin
    limit = LIMITS.get(interval)
    verdict = f"  allowed {limit:.0f} s, {'ok' if wall <= limit else 'TOO SLOW'}" if limit else ""
    print(f"{interval:<6} {result.key_figures()} {wall:6.1f} s{verdict}", flush=True)


def fill(nights: Iterable[str], per_night: int = PER_NIGHT, seed: int = 1) -> None:
    """Put nights into the database that have what all panels ask."""
    random = np.random.default_rng(seed)
    panels = list(load_panels().values())
    for number, night in enumerate(nights):
        with database.write_transaction() as connection:
            store.store_batch(connection, generate(night, panels, random, per_night, number))


def generate(
    night: str,
    panels: Iterable[TimeSeriesPanel],
    random: np.random.Generator,
    size: int,
    number: int = 0,
) -> ObservationBatch:
    seconds = np.linspace(600, 86_000, size).astype(int)
    obsids = tuple(f"KP.{night}.{second:05d}.25" for second in seconds)
    everywhere = np.ones(size, bool)
    sources = np.array([SOURCES[index] for index in random.integers(0, len(SOURCES), size)], object)
    series = {SOURCE_KEYWORD: Series(ValueKind.TEXT, sources)}
    flags = {c for panel in panels for c in (*panel.flags.values(), *panel.qc)} | {"NOTJUNK"}
    for column in {column for panel in panels for column in panel.keywords()} - {"SOURCE"}:
        level, _, name = column.rpartition(":")
        extension = TELEMETRY if "." in name else PRIMARY
        series[Keyword(level or "L0", extension, name)] = make_series(
            name, name in flags, random, size, number
        )
    columns, same = batch.pack_columns(series, dict.fromkeys(KPF.levels, everywhere))
    levels = tuple(KPF.levels)
    files = [
        IngestedFile(obsid, level, f"{level}/{obsid}.fits", FileSignature(1, 1), 1, "v2.9", ())
        for obsid in obsids
        for level in levels
    ]
    present = dict.fromkeys(levels, format_mask(everywhere))
    observed = dict.fromkeys(obsids, ObservationInfo("Star", levels))
    return ObservationBatch(
        night, obsids, present, columns, same, files=tuple(files), observations=observed
    )


def make_series(
    name: str, is_flag: bool, random: np.random.Generator, size: int, number: int
) -> Series:
    """Values of a keyword for a night: texts, flags, or a level with a slow wave and outliers."""
    if name in TEXTS or name == "DRPTAG":
        words = TEXTS.get(name, (f"v2.{5 + number // 60}.0",))
        return Series(ValueKind.TEXT, np.array(words, object)[random.integers(0, len(words), size)])
    if is_flag:
        return Series(ValueKind.INT, (random.random(size) > 0.002).astype(float))
    level = 1 + sum(map(ord, name)) % 40
    wave = np.sin(2 * np.pi * (number + np.linspace(0, 1, size)) / 40)
    values = level + 0.02 * wave + 0.01 * random.standard_normal(size)
    values[random.random(size) < 0.0005] += 5
    return Series(ValueKind.FLOAT, values)


if __name__ == "__main__":
    main()
