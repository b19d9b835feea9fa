"""The rows of a scorecard: one a science frame, 28 columns, in ADAP's order."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from kpfnb.adap.score.limits import BAD_FAULTS, BAD_FLAGS, ScoreLimits, SlitFault
from kpfnb.adap.score.measurements import ExtractedObject
from kpfnb.core import spreadsheet_cells
from kpfnb.core.errors import InvalidInputError


class FrameStatus(StrEnum):
    """How a frame stands, in the words of ADAP's sheets."""

    COMPLETE = "COMPLETE"
    WARNING = "WARNING"
    """Reduced, but its backup failed."""
    FAILED = "FAILED"


@dataclass(frozen=True)
class ScorecardRow:
    """One science frame; the attributes are the columns.

    Attributes
    ----------
    date : when it was reduced, UTC
    det_count : detectors and mosaics; slits and objects are counted over all of them
    exec_time : of the whole run, in seconds; 0 where it is not known
    mem_usage : the most that the run took, in bytes; 0 where it is not known
    git_commit : of PypeIt; its version where it is a released one
    reduce_dir : the folder of the reduction
    """

    dataset: str
    science_file: str
    date: str
    status: str
    bad_slit_count: int = 0
    det_count: int = 0
    slit_count: int = 0
    slit_std_chi_out_of_range: int = 0
    slit_wv_cov_under_thresh: int = 0
    slit_rms_over_thresh: int = 0
    slit_spec_flex_over_thresh: int = 0
    total_bad_flags: int = 0
    bad_wv_count: int = 0
    bad_tilt_count: int = 0
    bad_flat_count: int = 0
    skip_flat_count: int = 0
    bad_skysub_count: int = 0
    bad_extract_count: int = 0
    object_count: int = 0
    obj_rms_over_thresh: int = 0
    object_flex_shift_over_thresh: int = 0
    object_without_opt_with_box: int = 0
    object_without_opt_wo_box: int = 0
    maskdef_extract_count: int = 0
    exec_time: int = 0
    mem_usage: int = 0
    git_commit: str = ""
    reduce_dir: str = ""

    def to_dict(self) -> dict[str, Any]:
        """By column."""
        return asdict(self)


SCORECARD_COLUMNS = tuple(one.name for one in fields(ScorecardRow))
COUNT_COLUMNS = tuple(one.name for one in fields(ScorecardRow) if one.type == "int")

FAULT_COLUMNS = {
    SlitFault.CHI: "slit_std_chi_out_of_range",
    SlitFault.COVERAGE: "slit_wv_cov_under_thresh",
    SlitFault.RMS: "slit_rms_over_thresh",
    SlitFault.FLEXURE: "slit_spec_flex_over_thresh",
    SlitFault.WAVELENGTHS: "bad_wv_count",
    SlitFault.TILTS: "bad_tilt_count",
    SlitFault.FLAT: "bad_flat_count",
    SlitFault.NO_FLAT: "skip_flat_count",
    SlitFault.SKY: "bad_skysub_count",
    SlitFault.EXTRACTION: "bad_extract_count",
}


def count_slits(faults: Sequence[frozenset[SlitFault]]) -> dict[str, int]:
    """The columns that count slits, from the faults of each slit."""
    counted = Counter(fault for one in faults for fault in one)
    return {
        "slit_count": len(faults),
        "bad_slit_count": sum(bool(one & BAD_FAULTS) for one in faults),
        "total_bad_flags": sum(bool(one & BAD_FLAGS) for one in faults),
        **{column: counted[fault] for fault, column in FAULT_COLUMNS.items()},
    }


def count_objects(objects: Sequence[ExtractedObject], limits: ScoreLimits) -> dict[str, int]:
    """The columns that count extracted objects."""
    bare = [one for one in objects if not one.optimal]
    most = limits.flex_shift_thresh
    return {
        "object_count": len(objects),
        "obj_rms_over_thresh": sum((one.rms or 0) > limits.rms_thresh for one in objects),
        "object_flex_shift_over_thresh": sum(abs(one.flexure or 0) > most for one in objects),
        "object_without_opt_with_box": sum(one.box for one in bare),
        "object_without_opt_wo_box": sum(not one.box for one in bare),
        "maskdef_extract_count": sum(one.from_mask for one in objects),
    }


def rows_to_csv(rows: Iterable[ScorecardRow]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, SCORECARD_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: spreadsheet_cells.escape_cell(value) for name, value in row.to_dict().items()}
        for row in rows
    )
    return text.getvalue()


def read_rows(path: Path) -> list[ScorecardRow]:
    """The rows of a scorecard's file; also of one that ADAP's scripts wrote.

    `InvalidInputError` where it can't be read, lacks a column or holds no number where one should be.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            lacking = [name for name in SCORECARD_COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise InvalidInputError(
                    f"{path} has no column {', '.join(lacking)}", "score it again"
                )
            return [_parse_row(found) for found in reader]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InvalidInputError(
            f"can't read {path}: {error}", "score its reduction again"
        ) from error


def _parse_row(found: Mapping[str, str | None]) -> ScorecardRow:
    texts = {name: spreadsheet_cells.unescape_cell(found[name] or "") for name in SCORECARD_COLUMNS}
    numbers = {name: int(float(texts[name] or 0)) for name in COUNT_COLUMNS}
    return ScorecardRow(**{**texts, **numbers})  # type: ignore[arg-type]
