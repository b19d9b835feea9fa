"""The rows of a scorecard: one for each science frame, with the 28 columns of ADAP's tables."""

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


class FrameStatus(StrEnum):
    """The status of a frame, in the words of ADAP's sheets."""

    COMPLETE = "COMPLETE"
    WARNING = "WARNING"
    """Reduced, but its backup failed."""
    FAILED = "FAILED"


@dataclass(frozen=True)
class ScorecardRow:
    """One science frame; the attributes are the columns.

    Attributes
    ----------
    date : of the reduction, UTC
    det_count : number of detectors and mosaics; slits and objects are counted over all of them
    exec_time : of the whole run, in seconds; 0 if unknown
    mem_usage : peak memory of the run, in bytes; 0 if unknown
    git_commit : of PypeIt; the version if it is a released one
    reduce_dir : name of the reduction's directory
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


SCORECARD_COLUMNS = tuple(column.name for column in fields(ScorecardRow))
COUNT_COLUMNS = tuple(column.name for column in fields(ScorecardRow) if column.type == "int")


def count_slits(faults: Sequence[frozenset[SlitFault]]) -> dict[str, int]:
    """The columns that count slits, from the faults of each slit."""
    counts = Counter(fault for slit_faults in faults for fault in slit_faults)
    return {
        "slit_count": len(faults),
        "bad_slit_count": sum(bool(slit_faults & BAD_FAULTS) for slit_faults in faults),
        "total_bad_flags": sum(bool(slit_faults & BAD_FLAGS) for slit_faults in faults),
        **{column: counts[fault] for fault, column in FAULT_COLUMNS.items()},
    }


def count_objects(objects: Sequence[ExtractedObject], limits: ScoreLimits) -> dict[str, int]:
    """The columns that count extracted objects."""
    without_optimal = [entry for entry in objects if not entry.optimal]
    max_flexure = limits.flex_shift_thresh
    return {
        "object_count": len(objects),
        "obj_rms_over_thresh": sum((entry.rms or 0) > limits.rms_thresh for entry in objects),
        "object_flex_shift_over_thresh": sum(
            abs(entry.flexure or 0) > max_flexure for entry in objects
        ),
        "object_without_opt_with_box": sum(entry.box for entry in without_optimal),
        "object_without_opt_wo_box": sum(not entry.box for entry in without_optimal),
        "maskdef_extract_count": sum(entry.from_mask for entry in objects),
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
    """The rows in the file of a scorecard, also one that the scripts of ADAP wrote.

    `InvalidInputError` if it can't be read, a column is missing, or a count is not a number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = reader.fieldnames or ()
            missing = [name for name in SCORECARD_COLUMNS if name not in columns]
            if missing:
                raise InvalidInputError(
                    f"{path} has no column {', '.join(missing)}", "score it again"
                )
            return [_parse_row(values) for values in reader]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InvalidInputError(
            f"can't read {path}: {error}", "score its reduction again"
        ) from error


def _parse_row(values: Mapping[str, str | None]) -> ScorecardRow:
    texts = {
        name: spreadsheet_cells.unescape_cell(values[name] or "") for name in SCORECARD_COLUMNS
    }
    numbers = {name: int(float(texts[name] or 0)) for name in COUNT_COLUMNS}
    return ScorecardRow(**{**texts, **numbers})  # type: ignore[arg-type]
