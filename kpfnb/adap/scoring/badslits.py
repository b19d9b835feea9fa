"""The bad slits of a reduction: which of them a joint coadd is to leave out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kpfnb.errors import BadInput

FILE = "bad_slits.csv"
PATTERN = "*bad_slits.csv"
"""ADAP's scripts put the name of the scorecard before it."""
COLUMNS = ("slit_id", "spec2d")

_ID = re.compile(r"(?:DET|MSC)\d+:\d+")


@dataclass(frozen=True, order=True)
class BadSlit:
    """One slit that is bad in one exposure.

    Attributes
    ----------
    slit_id : as DET01:175
    spec2d : the name of the file in which it is
    """

    slit_id: str
    spec2d: str


def read(reduce_folder: Path) -> list[BadSlit]:
    """The bad slits of a reduction, in order; none where it has none.

    `BadInput` where there is no list of them (score the reduction first) or it can't be read.
    """
    lists = sorted(reduce_folder.glob(PATTERN))
    if not lists:
        raise BadInput(
            f"no {FILE} in {reduce_folder}", f"score it: kpfnb scorecard score {reduce_folder}"
        )
    return sorted({slit for path in lists for slit in _read(path)})


def written(slits: Iterable[BadSlit]) -> str:
    """The slits as CSV, sorted, each once."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((slit.slit_id, slit.spec2d) for slit in sorted(set(slits)))
    return text.getvalue()


def _read(path: Path) -> list[BadSlit]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"can't read {path}: {error}", "score its reduction again") from error
    found = [BadSlit(row.get("slit_id") or "", row.get("spec2d") or "") for row in rows]
    for slit in found:
        if not _ID.fullmatch(slit.slit_id):
            raise BadInput(f"{path}: {slit.slit_id!r} is no slit", "slits are named as DET01:175")
    return found
