"""The task `scorecard`: a reduced dataset on the remote is scored again, with today's limits.

What only the reduction could tell (memory, status, commit, date) is kept from the scorecard that is
there. The new files go to the remote, and to the backup where there is one, verified; then the
sheet is told.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.products import dataset as datasets
from kpfnb.adap.products import reduction, remote_datasets
from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.score import (
    limits as scorelimits,
)
from kpfnb.adap.score import (
    row as scorerow,
)
from kpfnb.adap.score import (
    scorecard,
    scored_slits,
)
from kpfnb.adap.score import (
    sheet as scoresheet,
)
from kpfnb.adap.score.limits import ScoreCriteria
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.queue.lease import Lease
from kpfnb.storage import FileOutcome, Location

LATEST_DAYS = 10_000
"""Nothing is reduced here, so nothing in the sheet's `latest` becomes old by it."""
BACKUP_NAME = remote_datasets.BACKUP_REMOTE.rstrip(":")
SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait for a worker that was killed to be gone."""
SCORE_FILES = (
    scorecard.SCORECARD_FILE,
    scored_slits.BAD_SLITS_FILE,
    scored_slits.SCORED_SLITS_FILE,
)


@dataclass(frozen=True, repr=False)
class RescoreResult(OneLineRepr):
    """What became of one dataset.

    Attributes
    ----------
    carried : the files that are new on the remotes
    troubles : what went wrong after the scorecard was on the remote: backup or sheet
    """

    dataset: str
    cards: tuple[Scorecard, ...]
    transferred: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """In part where the backup or the sheet was not told."""
        return Outcome.PARTIAL if self.problems else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        rows = [row for card in self.cards for row in card.rows]
        bad = sum(row.bad_slit_count for row in rows)
        text = f"{self.dataset}: {len(rows)} science frames, {bad} bad slits"
        text += (
            f"; {len(self.transferred)} files are new"
            if self.transferred
            else "; nothing has changed"
        )
        return "; ".join([text, *self.problems])

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "rows": [row.to_dict() for card in self.cards for row in card.rows],
            "carried": list(self.transferred),
            "troubles": list(self.problems),
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


def rescore_item(
    item: str,
    lease: Lease,
    *,
    source: str = remote_datasets.DATA_REMOTE,
    limits: str = "",
    sheet: bool = True,
) -> RescoreResult:
    """Score one dataset on the remote again.

    source : the remote with the datasets
    limits : a file of limits; the package's own by default
    sheet : tell the scorecard's sheet
    """
    name = str(datasets.parse_dataset(item))
    criteria = scorelimits.load_criteria(limits)
    origin = storage.resolve_location(source) / name
    folders = datasets.list_reductions(origin)
    if not folders:
        raise InvalidInputError(f"dataset {name} has no results in {source}", "is it reduced yet?")
    local = settings.load_settings().work_dir / "rescoring" / name
    with locks.acquire_lock(f"rescoring-{name}", wait_seconds=SHUTDOWN_WAIT_SECONDS):
        # What a killed worker left may be of an older reduction
        shutil.rmtree(local, ignore_errors=True)
        try:
            cards = [_fetch_and_score(origin / one, local / one, name, criteria) for one in folders]
            lease.confirm()
            return _publish_files(name, cards, origin, local, sheet=sheet)
        finally:
            shutil.rmtree(local, ignore_errors=True)


def _fetch_and_score(
    origin: Location, local: Path, name: str, criteria: ScoreCriteria
) -> Scorecard:
    """Bring what is needed of a reduction here, score it and write the files here."""
    paths = [one.path for one in origin.list(recursive=True) if not one.is_folder]
    wanted = [path for path in paths if _is_needed(path)]
    if not any(path.endswith(".pypeit") for path in wanted):
        raise InvalidInputError(
            f"no reduction in {origin}: no .pypeit file", "reduce the dataset again"
        )
    remote_datasets.require_complete(
        storage.transfer_files(origin, local, only=wanted, progress=False)
    )
    path = local / scorecard.SCORECARD_FILE
    kept = scorerow.read_rows(path) if path.is_file() else ()
    card = scorecard.score_reduction(local, name, criteria=criteria, earlier_rows=kept)
    card.write()
    return card


def _is_needed(path: str) -> bool:
    """What a scorecard is made of, below a reduction; calibrations and pictures stay there."""
    parts = path.split("/")
    if len(parts) == 1:
        return path == reduction.RECORD_NAME or path == scorecard.SCORECARD_FILE
    if len(parts) == 2:
        return parts[1].endswith((".pypeit", ".log"))
    return len(parts) == 3 and parts[1] == SCIENCE_FOLDER and parts[2].endswith(".fits")


def _publish_files(
    name: str, cards: list[Scorecard], origin: Location, local: Path, *, sheet: bool
) -> RescoreResult:
    """The files to the remote; then, what may fail without harm, to the backup and the sheet."""
    carried, troubles = [], []
    for card in cards:
        below = card.folder.relative_to(local).as_posix()
        sent = storage.transfer_files(card.folder, origin / below, only=SCORE_FILES, progress=False)
        done = remote_datasets.require_complete(sent)
        new = (item for item in done.items if item.state is FileOutcome.COPIED)
        carried += [f"{below}/{item.path}" for item in new]
        if BACKUP_NAME in settings.load_settings().remotes:
            troubles += remote_datasets.try_optional(
                "backup", partial(_back_up_scorecard, card, name, below)
            )
    if sheet:
        tell = partial(scoresheet.update_sheet, cards, latest_days=LATEST_DAYS)
        troubles += remote_datasets.try_optional("sheet", tell)
    return RescoreResult(name, tuple(cards), tuple(carried), tuple(troubles))


def _back_up_scorecard(card: Scorecard, name: str, below: str) -> None:
    target = storage.resolve_location(remote_datasets.BACKUP_REMOTE) / name / below
    remote_datasets.require_complete(
        storage.transfer_files(card.folder, target, only=SCORE_FILES, progress=False)
    )
