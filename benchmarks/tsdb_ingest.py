"""CPU time of ingestion into the time-series database.

    python benchmarks/tsdb_ingest.py [--observations 400] [--folder DIRECTORY] [--sqlite-only]

Observations with all four levels, in KPF's form: headers of 250, 440, 970 and 1,000 cards (a third
of the values differ from one to the next), TELEMETRY of 120 sensors, an RV table of 67 orders; the
images are small. CPU milliseconds per observation, without imports and without the server;
then a night in which nothing has changed, and files that arrive one by one.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from kpfnb.compute.services import postgres
from kpfnb.demo.tree import CARD_COUNTS
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.tsdb import database, file_content, file_reader, ingest, maintenance

NIGHT = "20240115"
SENSORS = 120
ONE_BY_ONE = 30
ALLOWED_MS = {"SQLite": 15, "PostgreSQL": 20}
ALLOWED_UNCHANGED = 50_000
MILLI = 1000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--observations", type=int, default=400)
    options.add_argument("--folder", type=Path, help="where to build the tree")
    options.add_argument("--sqlite-only", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        root = Path(folder)
        os.environ["KPFNB_WORK_DIR"] = os.environ["KPFNB_DATA_ROOT"] = folder
        plant(root, "20230101", 5)
        plant(root, NIGHT, chosen.observations)
        plant(root, "20240116", chosen.observations // 2)
        measure("SQLite", root, chosen.observations)
        if not chosen.sqlite_only:
            with postgres.temporary_server() as server:
                os.environ["KPFNB_TSDB_URL"] = server.url
                measure("PostgreSQL", root, chosen.observations)
                database.close_connections()


def measure(name: str, root: Path, observations: int) -> None:
    print(name)
    ingest.ingest_nights("20230101")  # Imports, and the keywords
    before = peak_mb()
    half = cpu(lambda: ingest.ingest_nights("20240116"))
    full = cpu(lambda: ingest.ingest_nights(NIGHT))
    milliseconds = full / observations * MILLI
    verdict = "ok" if milliseconds <= ALLOWED_MS[name] else "TOO SLOW"
    print(f"  {milliseconds:6.2f} CPU-ms per observation  allowed {ALLOWED_MS[name]}, {verdict}")
    print(f"  {half / (observations // 2) * MILLI:6.2f} with half as many")
    print(f"  peak memory grew by {peak_mb() - before:.0f} MB during this")
    forced = cpu(lambda: ingest.ingest_nights(NIGHT, force=True))
    print(f"  {forced / observations * MILLI:6.2f} when all files are read again")
    start = time.perf_counter()
    unchanged = ingest.ingest_nights(NIGHT).unchanged
    speed = unchanged / (time.perf_counter() - start)
    verdict = "ok" if speed >= ALLOWED_UNCHANGED else "TOO SLOW"
    print(f"  {speed:,.0f} unchanged files/s  allowed {ALLOWED_UNCHANGED:,}, {verdict}")
    paths = [path for level in KPF.levels for path in sorted((root / level / NIGHT).iterdir())]
    paths_one_by_one = [path for path in paths if path.name[12:17] < f"{ONE_BY_ONE * 180:05d}"]
    maintenance.delete_nights(NIGHT)
    single = cpu(lambda: [ingest.ingest_files([path]) for path in paths_one_by_one])
    print(f"  {single / ONE_BY_ONE * MILLI:6.2f} one file at a time")
    ingest.ingest_nights(NIGHT)
    print(f"  {maintenance.read_status().bytes_per_observation / 1000:.1f} kB per observation")


def cpu(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plant(root: Path, night: str, count: int) -> None:
    random = np.random.default_rng(int(night))
    for number in range(count):
        obsid = f"KP.{night}.{number * 180:05d}.00"
        cards: list[tuple[str, object, str]] = [
            ("IMTYPE", "Object", "image type"),
            ("OBJECT", "10700", "object"),
            ("GREEN", "YES", "camera"),
            ("DATE-MID", f"2024-01-15T00:00:{number % 60:02d}.125", "halfway"),
        ]
        for level, total in CARD_COUNTS.items():
            # A level's header is that of the level before, and more
            cards += [card(level, place, random) for place in range(len(cards), total)]
            write(ObsID(obsid).path(root, level), level, cards, random)


def card(level: str, place: int, random: np.random.Generator) -> tuple[str, object, str]:
    name = f"{level}K{place:04d}"
    kinds = (round(float(random.normal(20, 3)), 5), 12.5, f"text {place}")
    return name, kinds[place % 3], "[K] a value of the simulation"


def write(path: Path, level: str, cards: list, random: np.random.Generator) -> None:
    hdus = [fits.PrimaryHDU(header=fits.Header(cards)), fits.ImageHDU(np.zeros((20, 20)))]
    if level == KPF.raw:
        hdus.append(telemetry(random))
    if level == KPF.products[-1]:
        columns = [
            fits.Column(name, "D", array=random.normal(0, 1, file_reader.RV_ORDERS))
            for name in file_reader.RV_COLUMNS
        ]
        hdus.append(fits.BinTableHDU.from_columns(columns, name=file_content.RV))
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path)


def telemetry(random: np.random.Generator) -> fits.BinTableHDU:
    values = [f"{value:.7g}" for value in random.normal(19, 0.1, SENSORS)]
    columns = {
        "keyword": [f"kpfmet.SENSOR{number}" for number in range(SENSORS)],
        **dict.fromkeys(file_reader.TELEMETRY_STATISTICS, values),
        "units": ["C"] * SENSORS,
        "description": ["a sensor of the simulation"] * SENSORS,
    }
    fits_columns = [
        fits.Column(name, "40A", array=np.array(text)) for name, text in columns.items()
    ]
    return fits.BinTableHDU.from_columns(fits_columns, name=keywords.TELEMETRY)


if __name__ == "__main__":
    main()
