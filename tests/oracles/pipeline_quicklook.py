"""Draw the KPF pipeline's own quick-look pictures of FITS files, and print what failed as JSON.

Runs under the pipeline's interpreter, in its checkout, and imports nothing of kpfnb:

    python pipeline_quicklook.py OUTPUT FILE.fits ...

For each file: `pictures` has the names of the pictures made, and `failures` the traceback of each
one that the pipeline's code gave up. The pictures are small, which saves minutes.
"""

import argparse
import contextlib
import functools
import json
import os
import sys
import traceback
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
DOTS_PER_INCH = 40
HK_TRACES = "static/kpfMaster_HKOrderBounds20220909.csv"
"""In the checkout; the wavelengths of the Ca H&K orders are not, so no spectrum is drawn."""


class FailureLog:
    """Collects what the quick-look code reports as errors; it catches its own exceptions."""

    def __init__(self):
        self.failures = []

    def info(self, *message):
        """Ignore a message."""

    debug = warning = info

    def error(self, *message):
        """Keep an error, which contains a traceback."""
        self.failures.append(" ".join(map(str, message)))

    critical = error


def draw_file(path, output):
    """Draw all pictures of a file."""
    from kpfpipe.models.level0 import KPF0
    from kpfpipe.models.level1 import KPF1
    from kpfpipe.models.level2 import KPF2
    from modules.quicklook.src.alg import QuicklookAlg

    level = next((name for name in ("2D", "L1", "L2") if path.stem.endswith("_" + name)), "L0")
    kpf = {"L1": KPF1, "L2": KPF2}.get(level, KPF0).from_fits(str(path))
    log = FailureLog()
    before = set(output.rglob("*.png"))
    quicklook = QuicklookAlg(logger=log)
    try:
        getattr(quicklook, f"qlp_{level}")(kpf, f"{output}/")
        if level in ("L0", "2D") and getattr(kpf, "CA_HK", None) is not None and kpf["CA_HK"].size:
            draw_calcium(kpf, level, output, log)
    except Exception:
        log.error(traceback.format_exc())
    made = sorted(path.name for path in set(output.rglob("*.png")) - before)
    return {"level": level, "pictures": made, "failures": log.failures}


def draw_calcium(kpf, level, output, log):
    """Draw the pictures of the Ca H&K image, which the pipeline draws only with a configuration."""
    from modules.quicklook.src.analyze_hk import AnalyzeHK

    calcium = AnalyzeHK(kpf, trace_file=HK_TRACES, logger=log)
    for name in ("plot_HK_image_2D", "plot_HK_2D_column_cut"):
        path = output / f"{calcium.ObsID}_{level}_{name}.png"
        getattr(calcium, name)(fig_path=str(path), kpftype=level)


def make_pictures_small():
    """Save every figure with few pixels."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    @functools.wraps(save)
    def save_small(self, *args, **options):
        return save(self, *args, **(options | {"dpi": DOTS_PER_INCH}))

    Figure.savefig = save_small


def main():
    """Draw the files of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    make_pictures_small()
    results = {}
    with contextlib.redirect_stdout(sys.stderr):
        for path in options.files:
            try:
                results[str(path)] = draw_file(path, options.output)
            except Exception:
                results[str(path)] = {"error": traceback.format_exc()}
    json.dump(results, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
