"""The scorecard of a reduction: how good it is, frame by frame, and which of its slits are bad.

    card = scorecard.score(folder / "complete/reduce", "041615B1/1200G_8800_OG550/2015-10-16")
    card.write()

All of it is in the headers and small tables of the products; PypeIt is not imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.products import reduction
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit import input_files
from kpfnb.adap.pypeit import log as pypeitlog
from kpfnb.adap.score import (
    limits as scorefaults,
)
from kpfnb.adap.score import (
    limits as scorelimits,
)
from kpfnb.adap.score import (
    measurements,
    scored_slits,
)
from kpfnb.adap.score import (
    row as scorerow,
)
from kpfnb.adap.score.limits import ScoreCriteria, ScoreLimits
from kpfnb.adap.score.row import FrameStatus, ScorecardRow
from kpfnb.adap.score.scored_slits import BadSlit, ScoredSlit
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd


# What is known of the run behind products: when, how long, how much memory, which PypeIt.
#
# From the record of the reduction (`reduction.json`) where there is one, and from PypeIt's own log.

_COMMIT = re.compile(r"\+(?:g|\d+\.g)?([0-9a-f]{7,40})\b")


@dataclass(frozen=True)
class PypeItRunFacts:
    """One run of PypeIt.

    Attributes
    ----------
    date : the day it began, UTC, as 2026-01-31; '' where it is not known
    exec_seconds : what PypeIt says it took; 0 where it says nothing, as after a failure
    memory_bytes : the most that it took; 0 where it is not known
    commit : of PypeIt, or its version; '' where it is not known
    """

    date: str = ""
    exec_seconds: int = 0
    memory_bytes: int = 0
    commit: str = ""


def read_run_facts(plan: Path) -> PypeItRunFacts:
    """The facts of the run of a .pypeit file; `InvalidInputError` where the record is damaged."""
    path = plan.parent.parent / reduction.RECORD_NAME
    record = atomic.read_json(path) if path.is_file() else {}
    log = pypeitlog.read_log(plan.with_suffix(".log"))
    return PypeItRunFacts(
        date=str(record.get("started") or "")[:10],
        exec_seconds=round(log.execution_seconds or 0),
        memory_bytes=_peak_memory(record, plan.parent.name),
        commit=pypeit_commit(str((record.get("inputs") or {}).get("pypeit") or "")),
    )


def pypeit_commit(version: str) -> str:
    """The commit that a version names, as 1.16.1.dev3+g1a2b3c4; the version if it names none."""
    found = _COMMIT.search(version)
    return found[1] if found else version


def _peak_memory(record: Mapping[str, Any], setup: str) -> int:
    """The peak of that setup's run; of all runs where none is called after it."""
    steps = [one for one in record.get("steps") or () if one["name"].startswith("run_pypeit")]
    own = [one for one in steps if one["name"].endswith(f" {setup}")]
    return max((one["peak_bytes"] or 0 for one in own or steps), default=0)


SCORECARD_FILE = "scorecard.csv"


@dataclass(frozen=True)
class Scorecard:
    """The scorecard of one dataset's reduction.

    Attributes
    ----------
    folder : the folder of the reduction
    rows : one a science frame
    slits : every slit of every exposure, with what is wrong with it
    reasons : why a frame failed, by its name; only those that did
    """

    folder: Path
    dataset: str
    rows: tuple[ScorecardRow, ...]
    slits: tuple[ScoredSlit, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def bad_slits(self) -> list[BadSlit]:
        """The slits that are bad, sorted."""
        return sorted({BadSlit(one.slit.name, one.spec2d) for one in self.slits if one.is_bad})

    def write(self) -> list[Path]:
        """Write scorecard.csv, bad_slits.csv and scorecard_slits.csv; which of them are new.

        A file that holds just that already is not touched.
        """
        texts = {
            SCORECARD_FILE: scorerow.rows_to_csv(self.rows),
            scored_slits.BAD_SLITS_FILE: scored_slits.bad_slits_to_csv(self.bad_slits),
            scored_slits.SCORED_SLITS_FILE: scored_slits.scored_slits_to_csv(self.slits),
        }
        wanted = {self.folder / name: text for name, text in texts.items()}
        changed = [path for path, text in wanted.items() if not _has_content(path, text)]
        for path in changed:
            atomic.write_text(path, wanted[path])
        return changed

    def to_frame(self) -> pd.DataFrame:
        """One row a science frame, ADAP's 28 columns."""
        import pandas as pd

        rows = [row.to_dict() for row in self.rows]
        return pd.DataFrame(rows, columns=list(scorerow.SCORECARD_COLUMNS))


def score_reduction(
    reduce_folder: Path,
    dataset: str,
    *,
    criteria: ScoreCriteria | None = None,
    status: str = "",
    earlier_rows: Sequence[ScorecardRow] = (),
) -> Scorecard:
    """Score a reduction; a frame without a whole spec2d and spec1d is FAILED, never raised.

    Parameters
    ----------
    reduce_folder : `complete/reduce` of a dataset, with a folder for each setup
    criteria : limits; by default the package's own
    status : of the dataset as a whole, for the frames that are reduced; COMPLETE by default
    kept : rows of an earlier scorecard: memory, status, commit and date are those of the reduction,
        and are taken from there for frames that it has

    Raises
    ------
    InvalidInputError : no reduction in that folder, a record in it is damaged, or the status is none
    """
    if status and status not in [*FrameStatus]:
        raise InvalidInputError(
            f"{status!r} is no status of a frame", f"it is {', '.join(FrameStatus)}"
        )
    plans = sorted(reduce_folder.glob("*/*.pypeit"))
    if not plans:
        raise InvalidInputError(
            f"no reduction in {reduce_folder}: no .pypeit file in a folder below it",
            "name the folder complete/reduce of a dataset",
        )
    limits = (criteria or scorelimits.load_criteria()).for_dataset(dataset)
    judged = [one for plan in plans for one in _score_frames(plan, dataset, limits, status)]
    earlier = {row.science_file: row for row in earlier_rows}
    return Scorecard(
        folder=reduce_folder,
        dataset=dataset,
        rows=tuple(_with_run_facts(one.row, earlier.get(one.row.science_file)) for one in judged),
        # Exposures that were combined share their slits
        slits=tuple(dict.fromkeys(slit for one in judged for slit in one.slits)),
        reasons={one.row.science_file: one.reason for one in judged if one.reason},
    )


def read_scorecard(reduce_folder: Path, dataset: str = "") -> Scorecard:
    """The scorecard as it was written; `InvalidInputError` where there is none, or it is damaged."""
    path = reduce_folder / SCORECARD_FILE
    if not path.is_file():
        raise InvalidInputError(
            f"no {SCORECARD_FILE} in {reduce_folder}",
            f"score it: kpfnb scorecard score {reduce_folder}",
        )
    rows = tuple(scorerow.read_rows(path))
    name = dataset or next((row.dataset for row in rows), "")
    return Scorecard(
        reduce_folder, name, rows, tuple(scored_slits.read_scored_slits(reduce_folder))
    )


@dataclass(frozen=True)
class _ScoredFrame:
    """What was found for one science frame."""

    row: ScorecardRow
    slits: tuple[ScoredSlit, ...]
    reason: str


def _score_frames(
    plan: Path, dataset: str, limits: ScoreLimits, status: str
) -> Iterator[_ScoredFrame]:
    facts = read_run_facts(plan)
    for verdict in reduction.evaluate_frames(input_files.read_pypeit_file(plan), ""):
        if verdict.kind == "science":
            yield _score_frame(
                verdict, plan.parent, ScorecardRow(dataset, verdict.file, "", status), limits, facts
            )


def _score_frame(
    verdict: FrameResult,
    setup: Path,
    blank: ScorecardRow,
    limits: ScoreLimits,
    facts: PypeItRunFacts,
) -> _ScoredFrame:
    """The row of one frame: what can't be read counts nothing, and its frame is FAILED."""
    reason, exposure, objects = verdict.reason, measurements.EMPTY_SUMMARY, []
    try:
        if verdict.spec2d:
            exposure = measurements.read_slits(setup / SCIENCE_FOLDER / verdict.spec2d)
        if verdict.spec1d:
            objects = measurements.read_objects(setup / SCIENCE_FOLDER / verdict.spec1d)
    except InvalidInputError as error:
        reason = reason or error.what
    scored = tuple(
        ScoredSlit(verdict.spec2d, slit, scorefaults.find_faults(slit, limits))
        for slit in exposure.slits
    )
    counts: dict[str, Any] = {
        "det_count": len(exposure.detectors),
        **scorerow.count_slits([one.faults for one in scored]),
        **scorerow.count_objects(objects, limits),
    }
    row = replace(
        blank,
        **counts,
        date=facts.date or exposure.reduction_date or datetime.now(UTC).date().isoformat(),
        status=FrameStatus.FAILED if reason else blank.status or FrameStatus.COMPLETE,
        exec_time=facts.exec_seconds,
        mem_usage=facts.memory_bytes,
        git_commit=facts.commit or pypeit_commit(exposure.version),
        reduce_dir=setup.parent.name,
    )
    return _ScoredFrame(row, scored, reason)


def _with_run_facts(row: ScorecardRow, earlier: ScorecardRow | None) -> ScorecardRow:
    """The row with what only the run itself could tell, where an earlier row tells it."""
    if earlier is None:
        return row
    return replace(
        row,
        status=FrameStatus.FAILED
        if row.status == FrameStatus.FAILED
        else earlier.status or row.status,
        date=earlier.date or row.date,
        mem_usage=earlier.mem_usage or row.mem_usage,
        git_commit=earlier.git_commit or row.git_commit,
    )


def _has_content(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
