"""How fast a night is judged and reported.

    python benchmarks/verdict.py [--observations 500]

A simulated night, every header of real size, removed afterwards. CPU seconds without imports.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.nightreport import report
from kpfnb.kpf.verdict import assessment

NIGHT, WARM = "20240110", "20230110"
SAMPLE = 50


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--observations", type=int, default=500)
    number = options.parse_args().observations
    counts = {
        kind: max(1, count * number // sum(DEFAULT_COUNTS.values()))
        for kind, count in DEFAULT_COUNTS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KPFNB_DATA_ROOT"] = f"{folder}/data"
        os.environ["KPFNB_WORK_DIR"] = f"{folder}/work"
        write_night(Path(folder) / "data", WARM)
        report.write_report(WARM)
        write_night(Path(folder) / "data", NIGHT, counts)
        print(f"a night of {sum(counts.values())} observations, all levels")
        first = measure("verdict, first assessment", 1.5, lambda: assessment.assess_night(NIGHT))
        again = measure(
            "verdict, next assessment (the live view)", 0.3, lambda: assessment.assess_night(NIGHT)
        )
        measure("report, verdict and pages", 2.5, lambda: report.write_report(NIGHT))
        print(f"  the next assessment takes {again / first:.2f} of the first")
        whole = astropy_seconds(Path(folder) / "data", SAMPLE) * sum(counts.values()) / SAMPLE
        print(f"  astropy on the same headers: {whole / first:.0f} times the first assessment")


def measure(title: str, goal: float, work: Callable[[], object]) -> float:
    """CPU seconds of some work, printed beside the goal."""
    started = time.process_time()
    work()
    seconds = time.process_time() - started
    print(f"  {title}: {seconds:.2f} CPU-s (goal {goal:g})")
    return seconds


def astropy_seconds(root: Path, number: int) -> float:
    """What reading the primary headers of so many observations takes with astropy."""
    from astropy.io import fits

    paths = [
        path for level in KPF.levels for path in sorted((root / level / NIGHT).iterdir())[:number]
    ]
    started = time.process_time()
    for path in paths:
        dict(fits.getheader(path))
    return time.process_time() - started


if __name__ == "__main__":
    main()
