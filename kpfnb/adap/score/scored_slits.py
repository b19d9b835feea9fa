"""Every slit that was scored, with what was measured of it: the file behind pictures and pages."""

from __future__ import annotations

import csv
import glob
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kpfnb.adap.products import qa_archive, qa_gallery
from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.score.limits import BAD_FAULTS, SlitFault
from kpfnb.adap.score.measurements import Slit
from kpfnb.core.errors import InvalidInputError

# The bad slits of a reduction: which of them a joint coadd is to leave out.

BAD_SLITS_FILE = "bad_slits.csv"
BAD_SLITS_PATTERN = "*bad_slits.csv"
"""ADAP's scripts put the name of the scorecard before it."""
BAD_SLIT_COLUMNS = ("slit_id", "spec2d")

_SLIT_ID = re.compile(r"(?:DET|MSC)\d+:\d+")


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


def read_bad_slits(reduce_folder: Path) -> list[BadSlit]:
    """The bad slits of a reduction, in order; none where it has none.

    `InvalidInputError` where there is no list of them (score the reduction first) or it can't be read.
    """
    lists = sorted(reduce_folder.glob(BAD_SLITS_PATTERN))
    if not lists:
        raise InvalidInputError(
            f"no {BAD_SLITS_FILE} in {reduce_folder}",
            f"score it: kpfnb scorecard score {reduce_folder}",
        )
    return sorted({slit for path in lists for slit in _read_bad_slits_file(path)})


def bad_slits_to_csv(slits: Iterable[BadSlit]) -> str:
    """The slits as CSV, sorted, each once."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(BAD_SLIT_COLUMNS)
    writer.writerows((slit.slit_id, slit.spec2d) for slit in sorted(set(slits)))
    return text.getvalue()


def _read_bad_slits_file(path: Path) -> list[BadSlit]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(
            f"can't read {path}: {error}", "score its reduction again"
        ) from error
    found = [BadSlit(row.get("slit_id") or "", row.get("spec2d") or "") for row in rows]
    for slit in found:
        if not _SLIT_ID.fullmatch(slit.slit_id):
            raise InvalidInputError(
                f"{path}: {slit.slit_id!r} is no slit", "slits are named as DET01:175"
            )
    return found


SCORED_SLITS_FILE = "scorecard_slits.csv"
SLIT_MEASURES = ("rms", "coverage", "std_chi", "flexure")
SCORED_SLIT_COLUMNS = ("slit_id", "spec2d", *SLIT_MEASURES, "flags", "faults")


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
    faults: frozenset[SlitFault] = frozenset()

    @property
    def is_bad(self) -> bool:
        """Whether any of its faults makes it bad."""
        return bool(self.faults & BAD_FAULTS)


def scored_slits_to_csv(slits: Iterable[ScoredSlit]) -> str:
    """The slits as CSV; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORED_SLIT_COLUMNS)
    for one in slits:
        words = (" ".join(sorted(names)) for names in (one.slit.flags, one.faults))
        measures = (getattr(one.slit, name) for name in SLIT_MEASURES)
        writer.writerow([one.slit.name, one.spec2d, *measures, *words])
    return text.getvalue()


def read_scored_slits(reduce_folder: Path) -> list[ScoredSlit]:
    """The slits of a scored reduction; none where only ADAP's scripts scored it.

    `InvalidInputError` where the file is damaged.
    """
    path = reduce_folder / SCORED_SLITS_FILE
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [_parse_scored_slit(row) for row in csv.DictReader(stream, strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, KeyError) as error:
        raise InvalidInputError(
            f"can't read {path}: {error}", "score its reduction again"
        ) from error


def _parse_scored_slit(row: Mapping[str, str]) -> ScoredSlit:
    measures = {name: float(row[name]) if row[name] else None for name in SLIT_MEASURES}
    slit = Slit(row["slit_id"], **measures, flags=frozenset(row["flags"].split()))
    return ScoredSlit(row["spec2d"], slit, frozenset(map(SlitFault, row["faults"].split())))


# PypeIt's QA pictures of one slit, found by their names: of its calibration and its exposure.

CALIBRATION_PICTURES = ("Arc_1dfit", "Arc_tilts_2d")
"""Those that show why a slit is bad, of the calibrations' many."""


def find_slit_pictures(slits: Iterable[tuple[Path, ScoredSlit]]) -> list[list[Path]]:
    """The pictures of each slit, by name; none where there is neither QA nor its archive.

    PypeIt ends their names with DET01_S0175 and a word, and begins those of an exposure as its
    products. An archive that can't be read is named in their place.

    slits : the folder of the reduction, and the slit
    """
    # An archive is read to its end to be listed: once for all of its slits
    listed = cache(qa_gallery.list_pictures)
    return [_pictures_of_slit(folder, scored, listed) for folder, scored in slits]


def _pictures_of_slit(
    reduce_folder: Path, scored: ScoredSlit, listed: Callable[[Path], list[Path]]
) -> list[Path]:
    detector, _, number = scored.slit.name.partition(":")
    slit = f"{detector}_S{int(number):04}"
    exposure = scored.spec2d.removeprefix("spec2d_").removesuffix(".fits")
    found = []
    for spec2d in reduce_folder.glob(f"*/{SCIENCE_FOLDER}/{glob.escape(scored.spec2d)}"):
        for path in listed(spec2d.parents[1]):
            is_own = path.name.startswith((*CALIBRATION_PICTURES, exposure))
            is_own &= f"{slit}_" in path.name or f"{slit}." in path.name
            if is_own or path.name == qa_archive.QA_ARCHIVE:
                found.append(path)
    return found
