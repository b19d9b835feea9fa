"""Every slit that was scored, with what was measured of it: the file behind pictures and pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kpfnb.adap.scoring.scorefaults import BAD, Fault
from kpfnb.adap.scoring.slits import Slit
from kpfnb.errors import BadInput

FILE = "scorecard_slits.csv"
MEASURES = ("rms", "coverage", "std_chi", "flexure")
COLUMNS = ("slit_id", "spec2d", *MEASURES, "flags", "faults")


@dataclass(frozen=True)
class ScoredSlit:
    """One slit of one exposure.

    Attributes
    ----------
    spec2d : the name of its file
    faults : what is wrong with it
    """

    spec2d: str
    slit: Slit
    faults: frozenset[Fault] = frozenset()

    @property
    def is_bad(self) -> bool:
        """Whether any of its faults makes it bad."""
        return bool(self.faults & BAD)


def written(slits: Iterable[ScoredSlit]) -> str:
    """The slits as CSV; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in slits:
        words = (" ".join(sorted(names)) for names in (one.slit.flags, one.faults))
        measures = (getattr(one.slit, name) for name in MEASURES)
        writer.writerow([one.slit.name, one.spec2d, *measures, *words])
    return text.getvalue()


def read(reduce_folder: Path) -> list[ScoredSlit]:
    """The slits of a scored reduction; none where only ADAP's scripts scored it.

    `BadInput` where the file is damaged.
    """
    path = reduce_folder / FILE
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [_slit(row) for row in csv.DictReader(stream, strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, KeyError) as error:
        raise BadInput(f"can't read {path}: {error}", "score its reduction again") from error


def _slit(row: Mapping[str, str]) -> ScoredSlit:
    measures = {name: float(row[name]) if row[name] else None for name in MEASURES}
    slit = Slit(row["slit_id"], **measures, flags=frozenset(row["flags"].split()))
    return ScoredSlit(row["spec2d"], slit, frozenset(map(Fault, row["faults"].split())))
