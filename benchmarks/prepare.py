"""How fast the headers of raw frames are read and the frames sorted.

    python benchmarks/prepare.py [--frames 10000] [--folder DIRECTORY]

Simulated DEIMOS frames: headers of real size (250 cards), 30 masks. For comparison, the same as the
old script does it: astropy opens each file and reads its headers. The goal is 10,000 headers a
minute.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from kpfnb.adap.prepare import sort_frames
from kpfnb.demo import deimos_frames

SAMPLE = 200
MASKS = 30
CARDS = 200
"""More cards than kpfnb reads, as a real header has them."""
GOAL_SECONDS = 60
START = datetime(2015, 1, 1, 2, tzinfo=UTC)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=10_000)
    options.add_argument("--folder", type=Path, help="where to build the frames")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        top = Path(folder)
        # One process: its processor seconds are all there are
        os.environ |= {"KPFNB_WORK_DIR": str(top / "work"), "KPFNB_WORKERS": "1"}
        measure_all(top, chosen.frames)


def measure_all(top: Path, number: int) -> None:
    paths = simulate(top / "raw", number)
    run(top, "warm", paths[:1])
    print(f"{number} frames, {MASKS} masks; one process")
    reading = measure("headers read, placement planned (dry run)", lambda: put(top, dry_run=True))
    measure("and linked", lambda: put(top, how="symlink"))
    measure("once more: nothing to do", lambda: put(top, how="symlink"))
    shutil.rmtree(top / "data")
    measure("copied, each read back", lambda: put(top))
    astropy = measure(f"astropy alone, {SAMPLE} headers", lambda: read_by_astropy(paths[:SAMPLE]))
    ratio = astropy / SAMPLE * number / reading
    print(f"astropy's reading alone takes {ratio:.1f} times as long as the whole dry run")
    a_minute = number / reading * GOAL_SECONDS
    print(f"one CPU minute is enough for {a_minute:,.0f} headers (goal: 10,000)")


def simulate(folder: Path, number: int) -> list[Path]:
    """Every mask has an arc and three flats in the afternoon, and science frames."""
    folder.mkdir()
    paths = []
    for index in range(number):
        turn = index // MASKS
        kind = ("arc", "flat", "flat", "flat", *["science"] * 16)[turn % 20]
        moment = START + timedelta(days=turn // 20 * 5)
        path = folder / f"DE.{index:06d}.fits"
        day = f"'{moment:%Y-%m-%d}'".encode()
        path.write_bytes(template(kind, index % MASKS).replace(b"'2015-01-01'", day))
        paths.append(path)
    return paths


@cache
def template(kind: str, mask: int) -> bytes:
    """A frame of the first night: astropy takes long to make a header of real size."""
    more = {f"KEY{card}": card * 1.5 for card in range(CARDS)}
    return deimos_frames.make_fits_bytes(
        deimos_frames.make_header(kind, START, SLMSKNAM=f"M{mask}", **more)
    )


def run(top: Path, name: str, paths: list[Path]) -> None:
    """Import what is imported on first use."""
    folder = top / name
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder)
    options: dict[str, Any] = {"spectrograph": "keck_deimos", "progress": False}
    sort_frames.sort_frames([folder], top / f"{name}-data", **options)


def put(top: Path, **options: Any) -> None:
    result = sort_frames.sort_frames(
        [top / "raw"], top / "data", spectrograph="keck_deimos", progress=False, **options
    )
    assert result.outcome.is_good, result.reason


def read_by_astropy(paths: list[Path]) -> None:
    from astropy.io import fits

    for path in paths:
        with fits.open(path) as hdus:
            dict(hdus[0].header)


def measure(title: str, work: Callable[[], None]) -> float:
    """The processor seconds; other work on this machine does not count."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    print(f"  {title:42} {wall:7.2f} s {busy:7.2f} CPU-s")
    return busy


if __name__ == "__main__":
    main()
