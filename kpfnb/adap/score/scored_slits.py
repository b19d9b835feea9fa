"""Scored slits: the tables that a scorecard has of them, and PypeIt's QA pictures of each."""

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

BAD_SLITS_FILE = "bad_slits.csv"
BAD_SLITS_PATTERN = "*bad_slits.csv"
"""The scripts of ADAP begin the name with the name of the scorecard."""
BAD_SLIT_COLUMNS = ("slit_id", "spec2d")

SCORED_SLITS_FILE = "scorecard_slits.csv"
SLIT_MEASURES = ("rms", "coverage", "std_chi", "flexure")
SCORED_SLIT_COLUMNS = ("slit_id", "spec2d", *SLIT_MEASURES, "flags", "faults")

CALIBRATION_PICTURES = ("Arc_1dfit", "Arc_tilts_2d")
"""The pictures of calibrations that show why a slit is bad."""

_SLIT_ID = re.compile(r"(?:DET|MSC)\d+:\d+")


@dataclass(frozen=True, order=True)
class BadSlit:
    """A slit that is bad in one exposure; coadds of several exposures leave it out.

    Attributes
    ----------
    slit_id : as DET01:175
    spec2d : name of the exposure's spec2d
    """

    slit_id: str
    spec2d: str


def read_bad_slits(reduce_folder: Path) -> list[BadSlit]:
    """The bad slits of a reduction, sorted; empty if it has none.

    `InvalidInputError` if there is no list of them (the reduction was not scored), or it can't be
    read.
    """
    paths = sorted(reduce_folder.glob(BAD_SLITS_PATTERN))
    if not paths:
        raise InvalidInputError(
            f"no {BAD_SLITS_FILE} in {reduce_folder}",
            f"score it: kpfnb scorecard score {reduce_folder}",
        )
    return sorted({slit for path in paths for slit in _read_bad_slits_file(path)})


def bad_slits_to_csv(slits: Iterable[BadSlit]) -> str:
    """The slits as CSV, sorted, without duplicates."""
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
    slits = [BadSlit(row.get("slit_id") or "", row.get("spec2d") or "") for row in rows]
    for slit in slits:
        if not _SLIT_ID.fullmatch(slit.slit_id):
            raise InvalidInputError(
                f"{path}: {slit.slit_id!r} is not a slit", "slits are named as DET01:175"
            )
    return slits


@dataclass(frozen=True)
class ScoredSlit:
    """One slit of one exposure, with its faults.

    Attributes
    ----------
    spec2d : name of the exposure's spec2d
    """

    spec2d: str
    slit: Slit
    faults: frozenset[SlitFault] = frozenset()

    @property
    def is_bad(self) -> bool:
        """Whether any of its faults makes it bad."""
        return bool(self.faults & BAD_FAULTS)


def scored_slits_to_csv(slits: Iterable[ScoredSlit]) -> str:
    """The slits as CSV; measures that are missing are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORED_SLIT_COLUMNS)
    for scored in slits:
        words = (" ".join(sorted(names)) for names in (scored.slit.flags, scored.faults))
        measures = (getattr(scored.slit, name) for name in SLIT_MEASURES)
        writer.writerow([scored.slit.name, scored.spec2d, *measures, *words])
    return text.getvalue()


def read_scored_slits(reduce_folder: Path) -> list[ScoredSlit]:
    """The slits of a scored reduction; empty if it was scored by the scripts of ADAP only.

    `InvalidInputError` if the file is damaged.
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


def find_slit_pictures(slits: Iterable[tuple[Path, ScoredSlit]]) -> list[list[Path]]:
    """PypeIt's QA pictures of each slit: of its calibration and of its exposure, sorted by name.

    The names of PypeIt's pictures contain the slit, as DET01_S0175, and begin with the exposure if
    they are of one. An archive of pictures that can't be read is returned instead of them.

    slits : the directory of the reduction, and the slit
    """
    # To list an archive it is read to its end: once for all of its slits
    list_cached = cache(qa_gallery.list_pictures)
    return [_pictures_of_slit(folder, scored, list_cached) for folder, scored in slits]


def _pictures_of_slit(
    reduce_folder: Path, scored: ScoredSlit, list_pictures: Callable[[Path], list[Path]]
) -> list[Path]:
    detector, _, number = scored.slit.name.partition(":")
    slit = f"{detector}_S{int(number):04}"
    exposure = scored.spec2d.removeprefix("spec2d_").removesuffix(".fits")
    pictures = []
    for spec2d in reduce_folder.glob(f"*/{SCIENCE_FOLDER}/{glob.escape(scored.spec2d)}"):
        for path in list_pictures(spec2d.parents[1]):
            is_of_slit = path.name.startswith((*CALIBRATION_PICTURES, exposure))
            is_of_slit &= f"{slit}_" in path.name or f"{slit}." in path.name
            if is_of_slit or path.name == qa_archive.QA_ARCHIVE:
                pictures.append(path)
    return pictures
