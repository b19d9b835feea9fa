"""The scorecard of a reduction: how good each frame is, and which slits are bad.

    card = score_reduction(folder / "complete/reduce", "041615B1/1200G_8800_OG550/2015-10-16")
    card.write()

It needs only the headers and small tables of the products, and does not import PypeIt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.products import reduction
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit.input_files import read_pypeit_file
from kpfnb.adap.pypeit.log import read_log
from kpfnb.adap.score import measurements, scored_slits
from kpfnb.adap.score.limits import ScoreCriteria, ScoreLimits, find_faults, load_criteria
from kpfnb.adap.score.row import (
    SCORECARD_COLUMNS,
    FrameStatus,
    ScorecardRow,
    count_objects,
    count_slits,
    read_rows,
    rows_to_csv,
)
from kpfnb.adap.score.scored_slits import BadSlit, ScoredSlit
from kpfnb.core import atomic, clock
from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

SCORECARD_FILE = "scorecard.csv"

_COMMIT = re.compile(r"\+(?:g|\d+\.g)?([0-9a-f]{7,40})\b")


@dataclass(frozen=True)
class Scorecard:
    """The scorecard of one reduction of a dataset.

    Attributes
    ----------
    folder : directory of the reduction
    rows : one for each science frame
    slits : every slit of every exposure, with its faults
    reasons : why a frame failed, by the name of its file; only failed frames
    """

    folder: Path
    dataset: str
    rows: tuple[ScorecardRow, ...]
    slits: tuple[ScoredSlit, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def bad_slits(self) -> list[BadSlit]:
        """The bad slits, sorted."""
        return sorted(
            {BadSlit(scored.slit.name, scored.spec2d) for scored in self.slits if scored.is_bad}
        )

    def write(self) -> list[Path]:
        """Write scorecard.csv, bad_slits.csv and scorecard_slits.csv; returns the changed files.

        A file with the same content is not touched.
        """
        texts = {
            SCORECARD_FILE: rows_to_csv(self.rows),
            scored_slits.BAD_SLITS_FILE: scored_slits.bad_slits_to_csv(self.bad_slits),
            scored_slits.SCORED_SLITS_FILE: scored_slits.scored_slits_to_csv(self.slits),
        }
        contents = {self.folder / name: text for name, text in texts.items()}
        changed = [path for path, text in contents.items() if not _has_content(path, text)]
        for path in changed:
            atomic.write_text(path, contents[path])
        return changed

    def to_frame(self) -> pd.DataFrame:
        """One row for each science frame, with the 28 columns of ADAP."""
        import pandas as pd

        rows = [row.to_dict() for row in self.rows]
        return pd.DataFrame(rows, columns=list(SCORECARD_COLUMNS))


def score_reduction(
    reduce_folder: Path,
    dataset: str,
    *,
    criteria: ScoreCriteria | None = None,
    status: str = "",
    earlier_rows: Sequence[ScorecardRow] = (),
) -> Scorecard:
    """Score a reduction; a frame without a complete spec2d and spec1d is FAILED, never an error.

    Parameters
    ----------
    reduce_folder : `complete/reduce` of a dataset, with a directory for each setup
    criteria : limits; by default the package's own
    status : of the dataset as a whole, for its reduced frames; COMPLETE by default
    earlier_rows : rows of an earlier scorecard of this reduction. Memory, status, commit and date
        of its frames are taken from there, because only the reduction itself knew them

    Raises
    ------
    InvalidInputError : no reduction in that directory, a damaged record in it, or a status that is
        not valid
    """
    if status and status not in [*FrameStatus]:
        raise InvalidInputError(
            f"{status!r} is not a status of a frame", f"it is {', '.join(FrameStatus)}"
        )
    paths = sorted(reduce_folder.glob("*/*.pypeit"))
    if not paths:
        raise InvalidInputError(
            f"no reduction in {reduce_folder}: no .pypeit file in a directory below it",
            "name the directory complete/reduce of a dataset",
        )
    limits = (criteria or load_criteria()).for_dataset(dataset)
    frames = [frame for path in paths for frame in _score_frames(path, dataset, limits, status)]
    earlier = {row.science_file: row for row in earlier_rows}
    return Scorecard(
        folder=reduce_folder,
        dataset=dataset,
        rows=tuple(
            _with_run_facts(frame.row, earlier.get(frame.row.science_file)) for frame in frames
        ),
        # Exposures that were combined share their slits
        slits=tuple(dict.fromkeys(slit for frame in frames for slit in frame.slits)),
        reasons={frame.row.science_file: frame.reason for frame in frames if frame.reason},
    )


def read_scorecard(reduce_folder: Path, dataset: str = "") -> Scorecard:
    """The scorecard on disk; `InvalidInputError` if there is none, or it is damaged."""
    path = reduce_folder / SCORECARD_FILE
    if not path.is_file():
        raise InvalidInputError(
            f"no {SCORECARD_FILE} in {reduce_folder}",
            f"score it: kpfnb scorecard score {reduce_folder}",
        )
    rows = tuple(read_rows(path))
    name = dataset or next((row.dataset for row in rows), "")
    slits = tuple(scored_slits.read_scored_slits(reduce_folder))
    return Scorecard(reduce_folder, name, rows, slits)


@dataclass(frozen=True)
class _ScoredFrame:
    """The score of one science frame."""

    row: ScorecardRow
    slits: tuple[ScoredSlit, ...]
    reason: str


def _score_frames(
    pypeit_path: Path, dataset: str, limits: ScoreLimits, status: str
) -> Iterator[_ScoredFrame]:
    facts = read_run_facts(pypeit_path)
    for result in reduction.evaluate_frames(read_pypeit_file(pypeit_path), ""):
        if result.kind == "science":
            blank = ScorecardRow(dataset, result.file, "", status)
            yield _score_frame(result, pypeit_path.parent, blank, limits, facts)


def _score_frame(
    result: FrameResult,
    setup: Path,
    blank: ScorecardRow,
    limits: ScoreLimits,
    facts: PypeItRunFacts,
) -> _ScoredFrame:
    """The score of one frame; it is FAILED, with counts of 0, if a product can't be read."""
    reason, summary, objects = result.reason, measurements.EMPTY_SUMMARY, []
    try:
        if result.spec2d:
            summary = measurements.read_slits(setup / SCIENCE_FOLDER / result.spec2d)
        if result.spec1d:
            objects = measurements.read_objects(setup / SCIENCE_FOLDER / result.spec1d)
    except InvalidInputError as error:
        reason = reason or error.what
    slits = tuple(
        ScoredSlit(result.spec2d, slit, find_faults(slit, limits)) for slit in summary.slits
    )
    counts: dict[str, Any] = {
        "det_count": len(summary.detectors),
        **count_slits([scored.faults for scored in slits]),
        **count_objects(objects, limits),
    }
    row = replace(
        blank,
        **counts,
        date=facts.date or summary.reduction_date or clock.utc_now().date().isoformat(),
        status=FrameStatus.FAILED if reason else blank.status or FrameStatus.COMPLETE,
        exec_time=facts.exec_seconds,
        mem_usage=facts.memory_bytes,
        git_commit=facts.commit or pypeit_commit(summary.version),
        reduce_dir=setup.parent.name,
    )
    return _ScoredFrame(row, slits, reason)


def _with_run_facts(row: ScorecardRow, earlier: ScorecardRow | None) -> ScorecardRow:
    """The row with the facts that only the reduction itself knew, from an earlier row."""
    if earlier is None:
        return row
    is_failed = row.status == FrameStatus.FAILED
    return replace(
        row,
        status=FrameStatus.FAILED if is_failed else earlier.status or row.status,
        date=earlier.date or row.date,
        mem_usage=earlier.mem_usage or row.mem_usage,
        git_commit=earlier.git_commit or row.git_commit,
    )


def _has_content(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


@dataclass(frozen=True)
class PypeItRunFacts:
    """The run of PypeIt behind the products.

    Attributes
    ----------
    date : of its start, UTC, as 2026-01-31; '' if unknown
    exec_seconds : run time in PypeIt's log; 0 if not logged, as after a failure
    memory_bytes : peak memory; 0 if unknown
    commit : of PypeIt, or its version; '' if unknown
    """

    date: str = ""
    exec_seconds: int = 0
    memory_bytes: int = 0
    commit: str = ""


def read_run_facts(pypeit_path: Path) -> PypeItRunFacts:
    """The facts of a `.pypeit` file's run, from the record of the reduction and PypeIt's log.

    `InvalidInputError` if the record is damaged.
    """
    path = pypeit_path.parent.parent / reduction.RECORD_NAME
    record = atomic.read_json(path) if path.is_file() else {}
    log = read_log(pypeit_path.with_suffix(".log"))
    return PypeItRunFacts(
        date=str(record.get("started") or "")[:10],
        exec_seconds=round(log.execution_seconds or 0),
        memory_bytes=_peak_memory(record, pypeit_path.parent.name),
        commit=pypeit_commit(str((record.get("inputs") or {}).get("pypeit") or "")),
    )


def pypeit_commit(version: str) -> str:
    """The commit in a version such as 1.16.1.dev3+g1a2b3c4; the version if it has none."""
    match = _COMMIT.search(version)
    return match[1] if match else version


def _peak_memory(record: Mapping[str, Any], setup: str) -> int:
    """The peak memory of the setup's run; the peak of all runs if none has the setup's name."""
    runs = [step for step in record.get("steps") or () if step["name"].startswith("run_pypeit")]
    runs_of_setup = [step for step in runs if step["name"].endswith(f" {setup}")]
    return max((step["peak_bytes"] or 0 for step in runs_of_setup or runs), default=0)
