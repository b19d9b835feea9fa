"""How fast the progress of processing is assessed.

    python benchmarks/progress.py [--nights 1000] [--folder DIRECTORY]

Two simulated trees, removed afterwards. The first is 10 nights of 400 observations, every file
with a header of real size, and every L2 with the extensions of a real one (images are small: they
are skipped). The second is large (1,000 nights of 500, 1.75 million names): there
the files of a kind in a night are hard links of one file, so that it fits on any disk; each name is
still listed, stat'ed and opened separately. CPU seconds without imports.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation, result

SAMPLE = 100


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--nights", type=int, default=1000, help="of the large tree; 0 for none")
    options.add_argument("--folder", type=Path, help="where to build the trees")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        warm_up(Path(folder) / "warm")
        measure_small(Path(folder) / "small")
        if chosen.nights:
            measure_large(Path(folder) / "large", chosen.nights)


def warm_up(folder: Path) -> None:
    """Import what is imported on first use."""
    place(folder)
    tree.write_tree(folder, ["20240101"], 8)
    result.assess_progress(version="2.9")


def measure_small(folder: Path) -> None:
    place(folder)
    print("10 nights x 400 observations")
    names = tree.write_tree(folder, tree.consecutive_nights("20240101", 10), 400)
    add_l2_extensions(folder)
    first = measure("first scan", 1.8, result.assess_progress)
    measure("later scan", 0.15, result.assess_progress)
    forget(folder)
    versioned = measure(
        "first scan, version checked", 2.5, lambda: result.assess_progress(version="2.9")
    )
    measure("later scan, version checked", 0.15, lambda: result.assess_progress(version="2.9"))
    with_astropy = astropy_seconds(folder, names[:SAMPLE], ["L0"])
    all_levels = astropy_seconds(folder, names[:SAMPLE], list(KPF.levels))
    print(f"  astropy on the L0 alone: {with_astropy / first:.0f} times the first scan,")
    print(f"  on all levels: {all_levels / versioned:.0f} times (from {SAMPLE} observations)")


def measure_large(folder: Path, number: int) -> None:
    place(folder)
    print(f"{number} nights x 500 observations (hard links)")
    nights = tree.consecutive_nights("20210101", number)
    tree.write_tree(folder, nights, 500, linked=True)
    tree.set_mtimes(folder, datetime(2024, 1, 1, tzinfo=UTC))
    year = nights[0], nights[min(365, number) - 1]
    before = peak_mb()
    measure("first scan of all, fills the index", None, result.assess_progress)
    print(f"  peak memory grew by {peak_mb() - before:.0f} MB meanwhile")
    print(f"  the index takes {index(folder).stat().st_size / 1e6:.0f} MB")
    measure("a year's table, nights from the index", 1, lambda: str(result.assess_progress(*year)))
    measure(
        "a year's table, every file stat'ed",
        None,
        lambda: result.assess_progress(*year, fresh=True),
    )


def add_l2_extensions(folder: Path) -> None:
    """Append the extensions of a real L2 to each L2, and the velocity of both cameras."""
    import numpy as np
    from astropy.io import fits

    def make_table(name: str, rows: int, columns: dict[str, str]) -> fits.BinTableHDU:
        return fits.BinTableHDU.from_columns(
            [
                fits.Column(column, form, array=np.ones(rows) if form == "D" else ["text"] * rows)
                for column, form in columns.items()
            ],
            name=name,
        )

    numbers = {f"column {number}": "D" for number in range(16)}
    texts = {f"source {number}": "15A" for number in range(5)}
    velocities = make_table("RV", 67, {"RV": "D", **numbers, **texts})
    for number in range(30):
        velocities.header[f"CCD1X{number}"] = 1.5
    velocities.header["CCD1RV"] = 1.5
    correlations = [
        fits.ImageHDU(np.ones((5, orders, 4)), name=f"{camera}_CCF{suffix}")
        for suffix in ("", "_RW")
        for camera, orders in (("GREEN", 35), ("RED", 32))
    ]
    hdus = [
        fits.PrimaryHDU(),
        make_table("RECEIPT", 30, {f"c{number}": "26A" for number in range(11)}),
        make_table("CONFIG", 100, {"number": "D", "line": "100A"}),
        make_table("TELEMETRY", 150, {f"c{number}": "26A" for number in range(7)}),
        *correlations,
        velocities,
        make_table("ACTIVITY", 0, {"c": "D"}),
    ]
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream)
    extensions = stream.getvalue()[2880:]
    for path in (folder / "L2").glob("*/*.fits"):
        modified = path.stat().st_mtime
        with path.open("ab") as file:
            file.write(extensions)
        os.utime(path, (modified, modified))


def place(folder: Path) -> None:
    os.environ["KPFNB_DATA_ROOT"] = str(folder)
    os.environ["KPFNB_WORK_DIR"] = str(folder / "work")


def index(folder: Path) -> Path:
    return folder / "work" / evaluation.INDEX_NAME


def forget(folder: Path) -> None:
    for path in index(folder).parent.glob(f"{evaluation.INDEX_NAME}*"):
        path.unlink()


def measure(label: str, limit: float | None, work: Callable[[], object]) -> float:
    """CPU seconds of the work, printed beside what is allowed."""
    wall, start = time.perf_counter(), time.process_time()
    work()
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    verdict = f"allowed {limit} s, {'ok' if seconds <= limit else 'TOO SLOW'}" if limit else ""
    print(f"  {label:<40} {seconds:8.3f} CPU-s {wall:8.3f} s  {verdict}", flush=True)
    return seconds


def astropy_seconds(folder: Path, names: list[str], levels: list[str]) -> float:
    """CPU time of 4,000 observations with one `fits.open` per file, as in the old script."""
    from astropy.io import fits

    paths = [ObsID(name).path(folder, level) for name in names for level in levels]
    paths = [path for path in paths if path.exists()]
    start = time.process_time()
    for path in paths:
        with fits.open(path) as hdus:
            hdus[0].header.get("IMTYPE"), hdus[0].header.get("DRPTAG")
    return (time.process_time() - start) * 4000 / len(names)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
