"""Full-size simulated nights with all products, for judges that check the sizes of images."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kpfnb.demo.faults import L0Fault
from kpfnb.demo.night import DEMO_NIGHT, simulate_night
from kpfnb.demo.plan import EXPOSURE_KINDS
from kpfnb.kpf.files.obsid import KPF, ObsID

RUN_DRP = "from kpfnb.demo.drp import main; import sys; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class FullNight:
    """A simulated night; `kinds` has the kind of each observation, its fault, or `junk`."""

    root: Path
    kinds: Mapping[str, str]

    @property
    def junk_list(self) -> Path:
        """The list of junk observations."""
        return self.root / "reference/Junk_Observations_for_KPF.csv"

    def files(self, *levels: str) -> list[Path]:
        """The files of the levels, or all."""
        paths = (
            ObsID(obsid).path(self.root, level)
            for obsid in self.kinds
            for level in levels or KPF.levels
        )
        return [path for path in paths if path.exists()]

    def kind(self, path: Path) -> str:
        """The kind of a file's observation."""
        return self.kinds[ObsID.parse(path).text]


def make_full_night(
    root: Path,
    counts: Mapping[str, int],
    *,
    faults: Sequence[L0Fault] = (),
    version: str = "",
    reduced: Collection[str] = (),
) -> FullNight:
    """Simulate a full-size night and reduce it: 400 MB and 10 s per exposure, and the masters.

    Parameters
    ----------
    counts : exposures by kind; kinds that it does not name have none
    faults : one more exposure with each
    version : the DRP version to simulate
    reduced : the kinds to reduce; all if it is empty
    """
    every_kind = {kind.name: 0 for kind in EXPOSURE_KINDS} | dict(counts)
    night = simulate_night(
        root, DEMO_NIGHT, full_size=True, counts=every_kind, faults=faults, drp_version=version
    )
    kinds = {e.obsid: "junk" if e.is_junk else e.fault or e.kind.name for e in night.exposures}
    full_night = FullNight(root, kinds)
    chosen = [path for path in full_night.files("L0") if full_night.kind(path) in reduced]
    target = root / "L0" / DEMO_NIGHT
    if chosen:
        target = root / "reduced.txt"
        target.write_text("".join(f"{path}\n" for path in chosen))
    arguments = ["--ncpus", "1", "--reprocess", str(target), "-c", "kpf_drp.cfg"]
    done = subprocess.run(
        [sys.executable, "-c", RUN_DRP, *arguments, "-r", "kpf_drp.recipe"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return full_night
