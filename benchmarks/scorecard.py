"""A scorecard from headers and tables, against loading the same reduction with PypeIt.

    benchmarks/scorecard.py [complete/reduce]

Each runs in a separate process, as in a worker; CPU seconds, the minimum of three. Without a
directory it uses a simulated mask (8 exposures of 96 slits), which PypeIt can't load: its share is
then only that of importing its classes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from kpfnb.adap.pypeit import installation
from kpfnb.core import settings
from kpfnb.demo import coadd_inputs, reduced_datasets

ROUNDS = 3
LIMIT_SECONDS = 0.8

OURS = """
import sys
from pathlib import Path
from kpfnb.adap.score import scorecard
card = scorecard.score(Path(sys.argv[1]), "mask/config/2015-10-16")
print(len(card.rows), len(card.slits))
"""
CLASSES = """
from pypeit.slittrace import SlitTraceBitMask
from pypeit.spec2dobj import AllSpec2DObj
from pypeit.specobjs import SpecObjs
"""
THEIRS = f"""
import sys
from pathlib import Path
{CLASSES}
for path in Path(sys.argv[1]).glob("*/Science/spec2d_*.fits"):
    spectra = AllSpec2DObj.from_fits(str(path), chk_version=False)
    for name in spectra.detectors:
        SlitTraceBitMask().flagged(spectra[name].slits.mask, "BADWVCALIB")
for path in Path(sys.argv[1]).glob("*/Science/spec1d_*.fits"):
    SpecObjs.from_fitsfile(str(path), chk_version=False)
"""


def cpu_seconds(script: str, *arguments: str) -> float:
    """The least CPU time of a few runs, start of Python included."""
    variables = {
        **os.environ,
        **installation.PYPEIT_ENVIRONMENT,
        **installation.pack_environment(settings.load_settings().work_dir),
    }
    times = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", script, *arguments]
        subprocess.run(command, env=variables, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def mask(folder: Path) -> Path:
    """A simulated reduction of DEIMOS' size."""
    exposures = {
        f"DE.20151016.{number}.fits": {
            f"MSC0{place}": coadd_inputs.simulate_detector([number, place], 24)
            for place in range(1, 5)
        }
        for number in range(8)
    }
    reduced_datasets.write_reduction(folder / "reduce", exposures, night=date(2015, 10, 16))
    return folder / "reduce"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        given = Path(sys.argv[1]) if sys.argv[1:] else None
        folder = given or mask(Path(temporary))
        ours = cpu_seconds(OURS, str(folder))
        print(f"scorecard of {folder.name}, start of Python included: {ours:.2f} CPU-s")
        print(f"  limit {LIMIT_SECONDS} CPU-s: {'kept' if ours <= LIMIT_SECONDS else 'MISSED'}")
        if installation.pypeit_version():
            try:
                theirs = cpu_seconds(THEIRS if given else CLASSES, str(folder))
            except subprocess.CalledProcessError as error:
                # PypeIt needs data files even when it is imported
                print(f"  PypeIt can't be imported here: {error.stderr.decode().splitlines()[-1]}")
                print(f"  with a network, or a pack named in {installation.PACK_VARIABLE}, it can")
                return
            what = "loading it with PypeIt's objects" if given else "importing PypeIt's objects"
            print(f"  {what}: {theirs:.2f} CPU-s, {theirs / ours:.1f} times as much")


if __name__ == "__main__":
    main()
