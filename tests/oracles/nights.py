"""Full-size simulated nights with all products, for judges that check the sizes of images."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from kpfnb.demo.night import DEMO_NIGHT, simulate_night
from kpfnb.demo.plan import EXPOSURE_KINDS

CALIBRATIONS = {"bias": 1, "dark": 1, "flat": 1, "lfc": 2, "etalon": 1, "thar": 1}


def make_full_night(root: Path, counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Simulate a full-size night and reduce it (140 MB and 8 s per exposure): ObsIDs by kind.

    Kinds that `counts` does not name have no exposure; the junk exposure is of kind `junk`.
    """
    every_kind = {kind.name: 0 for kind in EXPOSURE_KINDS} | dict(counts)
    night = simulate_night(root, DEMO_NIGHT, full_size=True, counts=every_kind)
    obsids: dict[str, list[str]] = {}
    for exposure in night.exposures:
        kind = "junk" if exposure.is_junk else exposure.kind.name
        obsids.setdefault(kind, []).append(exposure.obsid)
    reduce_night(root)
    return obsids


def reduce_night(root: Path) -> None:
    """Run the stand-in DRP on the night's L0s, its masters first."""
    for option in ("--masters", "--reprocess"):
        command = ["from kpfnb.demo.drp import main; import sys; sys.exit(main(sys.argv[1:]))"]
        command += ["--ncpus", "1", option, str(root / "L0" / DEMO_NIGHT)]
        done = subprocess.run(
            [sys.executable, "-c", *command, "-c", "kpf_drp.cfg", "-r", "kpf_drp.recipe"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
