"""The scorecard of a reduction: how good it is, frame by frame, and which of its slits are bad.

    card = scorecard.score(folder / "complete/reduce", "041615B1/1200G_8800_OG550/2015-10-16")
    card.write()

All of it is in the headers and small tables of the products; PypeIt is not imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import files
from kpfnb.adap.pypeit import pypeitfile
from kpfnb.adap.reducing import products
from kpfnb.adap.reducing.products import SCIENCE, Verdict
from kpfnb.adap.scoring import (
    badslits,
    extracted,
    runfacts,
    scorefaults,
    scorelimits,
    scorerow,
    scoreslits,
    slits,
)
from kpfnb.adap.scoring.badslits import BadSlit
from kpfnb.adap.scoring.runfacts import RunFacts
from kpfnb.adap.scoring.scorelimits import Criteria, Limits
from kpfnb.adap.scoring.scorerow import Row, Status
from kpfnb.adap.scoring.scoreslits import ScoredSlit
from kpfnb.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

FILE = "scorecard.csv"


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
    rows: tuple[Row, ...]
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
            FILE: scorerow.written(self.rows),
            badslits.FILE: badslits.written(self.bad_slits),
            scoreslits.FILE: scoreslits.written(self.slits),
        }
        wanted = {self.folder / name: text for name, text in texts.items()}
        changed = [path for path, text in wanted.items() if not _holds(path, text)]
        for path in changed:
            files.write_text(path, wanted[path])
        return changed

    def to_frame(self) -> pd.DataFrame:
        """One row a science frame, ADAP's 28 columns."""
        import pandas as pd

        rows = [row.to_dict() for row in self.rows]
        return pd.DataFrame(rows, columns=list(scorerow.COLUMNS))


def score(
    reduce_folder: Path,
    dataset: str,
    *,
    criteria: Criteria | None = None,
    status: str = "",
    kept: Sequence[Row] = (),
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
    BadInput : no reduction in that folder, a record in it is damaged, or the status is none
    """
    if status and status not in [*Status]:
        raise BadInput(f"{status!r} is no status of a frame", f"it is {', '.join(Status)}")
    plans = sorted(reduce_folder.glob("*/*.pypeit"))
    if not plans:
        raise BadInput(
            f"no reduction in {reduce_folder}: no .pypeit file in a folder below it",
            "name the folder complete/reduce of a dataset",
        )
    limits = (criteria or scorelimits.load()).of(dataset)
    judged = [one for plan in plans for one in _frames(plan, dataset, limits, status)]
    earlier = {row.science_file: row for row in kept}
    return Scorecard(
        folder=reduce_folder,
        dataset=dataset,
        rows=tuple(_keep(one.row, earlier.get(one.row.science_file)) for one in judged),
        # Exposures that were combined share their slits
        slits=tuple(dict.fromkeys(slit for one in judged for slit in one.slits)),
        reasons={one.row.science_file: one.reason for one in judged if one.reason},
    )


def read(reduce_folder: Path, dataset: str = "") -> Scorecard:
    """The scorecard as it was written; `BadInput` where there is none, or it is damaged."""
    path = reduce_folder / FILE
    if not path.is_file():
        raise BadInput(
            f"no {FILE} in {reduce_folder}", f"score it: kpfnb scorecard score {reduce_folder}"
        )
    rows = tuple(scorerow.read(path))
    name = dataset or next((row.dataset for row in rows), "")
    return Scorecard(reduce_folder, name, rows, tuple(scoreslits.read(reduce_folder)))


@dataclass(frozen=True)
class _Frame:
    """What was found for one science frame."""

    row: Row
    slits: tuple[ScoredSlit, ...]
    reason: str


def _frames(plan: Path, dataset: str, limits: Limits, status: str) -> Iterator[_Frame]:
    facts = runfacts.read(plan)
    for verdict in products.judge(pypeitfile.read(plan), ""):
        if verdict.kind == "science":
            yield _frame(
                verdict, plan.parent, Row(dataset, verdict.file, "", status), limits, facts
            )


def _frame(verdict: Verdict, setup: Path, blank: Row, limits: Limits, facts: RunFacts) -> _Frame:
    """The row of one frame: what can't be read counts nothing, and its frame is FAILED."""
    reason, exposure, objects = verdict.reason, slits.NONE, []
    try:
        if verdict.spec2d:
            exposure = slits.read(setup / SCIENCE / verdict.spec2d)
        if verdict.spec1d:
            objects = extracted.read(setup / SCIENCE / verdict.spec1d)
    except BadInput as error:
        reason = reason or error.what
    scored = tuple(
        ScoredSlit(verdict.spec2d, slit, scorefaults.of(slit, limits)) for slit in exposure.slits
    )
    counts: dict[str, Any] = {
        "det_count": len(exposure.detectors),
        **scorerow.slit_counts([one.faults for one in scored]),
        **scorerow.object_counts(objects, limits),
    }
    row = replace(
        blank,
        **counts,
        date=facts.date or exposure.reduced or datetime.now(UTC).date().isoformat(),
        status=Status.FAILED if reason else blank.status or Status.COMPLETE,
        exec_time=facts.exec_seconds,
        mem_usage=facts.memory_bytes,
        git_commit=facts.commit or runfacts.commit(exposure.version),
        reduce_dir=setup.parent.name,
    )
    return _Frame(row, scored, reason)


def _keep(row: Row, earlier: Row | None) -> Row:
    """The row with what only the run itself could tell, where an earlier row tells it."""
    if earlier is None:
        return row
    return replace(
        row,
        status=Status.FAILED if row.status == Status.FAILED else earlier.status or row.status,
        date=earlier.date or row.date,
        mem_usage=earlier.mem_usage or row.mem_usage,
        git_commit=earlier.git_commit or row.git_commit,
    )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
