"""The queue task `scorecard`: score a reduced dataset on the remote again, with current limits.

Facts that only the reduction knew (memory, status, commit, date) are taken from the existing
scorecard. The new files are uploaded to the remote and, if there is one, to the backup, both
verified; then the sheet is updated.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.products import dataset, remote_datasets
from kpfnb.adap.products.reduction import RECORD_NAME, SCIENCE_FOLDER
from kpfnb.adap.score import scored_slits
from kpfnb.adap.score.limits import ScoreCriteria, load_criteria
from kpfnb.adap.score.row import read_rows
from kpfnb.adap.score.run import publish_scorecards
from kpfnb.adap.score.scorecard import SCORECARD_FILE, Scorecard, score_reduction
from kpfnb.core import locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count
from kpfnb.queue.lease import Lease
from kpfnb.storage import FileOutcome, Location

LATEST_DAYS = 10_000
"""Nothing is reduced by this task, so no row of the sheet's tab `latest` becomes old."""
BACKUP_NAME = remote_datasets.BACKUP_REMOTE.rstrip(":")
SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait for the end of a killed worker."""
SCORE_FILES = (SCORECARD_FILE, scored_slits.BAD_SLITS_FILE, scored_slits.SCORED_SLITS_FILE)


@dataclass(frozen=True, repr=False)
class RescoreResult(OneLineRepr):
    """The result for one dataset.

    Attributes
    ----------
    transferred : files that are new on the remote
    problems : errors after the scorecard was on the remote: of the backup or the sheet
    """

    dataset: str
    cards: tuple[Scorecard, ...]
    transferred: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Partial if the backup or the sheet was not updated."""
        return Outcome.PARTIAL if self.problems else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        rows = [row for card in self.cards for row in card.rows]
        bad = sum(row.bad_slit_count for row in rows)
        text = f"{self.dataset}: {format_count(len(rows), 'science frame')}"
        text += f", {format_count(bad, 'bad slit')}"
        new = format_count(len(self.transferred), "new file")
        text += f"; {new}" if self.transferred else "; nothing changed"
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

    source : the remote of the datasets
    limits : a file of limits; the package's own by default
    sheet : update the sheet of scorecards
    """
    name = str(dataset.parse_dataset(item))
    criteria = load_criteria(limits)
    origin = storage.resolve_location(source) / name
    folders = dataset.list_reductions(origin)
    if not folders:
        raise InvalidInputError(f"dataset {name} has no results in {source}", "is it reduced yet?")
    local = settings.load_settings().work_dir / "rescoring" / name
    with locks.acquire_lock(f"rescoring-{name}", wait_seconds=SHUTDOWN_WAIT_SECONDS):
        # A killed worker may have left files of an older reduction
        shutil.rmtree(local, ignore_errors=True)
        try:
            cards = [
                _fetch_and_score(origin / folder, local / folder, name, criteria)
                for folder in folders
            ]
            lease.confirm()
            return _publish_files(name, cards, origin, local, sheet=sheet)
        finally:
            shutil.rmtree(local, ignore_errors=True)


def _fetch_and_score(
    origin: Location, local: Path, name: str, criteria: ScoreCriteria
) -> Scorecard:
    """Download the needed files of a reduction, score it and write the score files."""
    paths = [entry.path for entry in origin.list(recursive=True) if not entry.is_folder]
    needed = [path for path in paths if _is_needed(path)]
    if not any(path.endswith(".pypeit") for path in needed):
        raise InvalidInputError(
            f"no reduction in {origin}: no .pypeit file", "reduce the dataset again"
        )
    storage.transfer_files(origin, local, only=needed, progress=False).require_complete()
    path = local / SCORECARD_FILE
    earlier_rows = read_rows(path) if path.is_file() else ()
    card = score_reduction(local, name, criteria=criteria, earlier_rows=earlier_rows)
    card.write()
    return card


def _is_needed(path: str) -> bool:
    """Whether a scorecard needs a file of a reduction; calibrations and pictures are not needed."""
    parts = path.split("/")
    if len(parts) == 1:
        return path in (RECORD_NAME, SCORECARD_FILE)
    if len(parts) == 2:
        return parts[1].endswith((".pypeit", ".log"))
    return len(parts) == 3 and parts[1] == SCIENCE_FOLDER and parts[2].endswith(".fits")


def _publish_files(
    name: str, cards: list[Scorecard], origin: Location, local: Path, *, sheet: bool
) -> RescoreResult:
    """Upload the files to the remote; then update the backup and the sheet, which are optional."""
    transferred, problems = [], []
    for card in cards:
        folder = card.folder.relative_to(local).as_posix()
        upload = storage.transfer_files(
            card.folder, origin / folder, only=SCORE_FILES, progress=False
        ).require_complete()
        new = (file for file in upload.items if file.state is FileOutcome.COPIED)
        transferred += [f"{folder}/{file.path}" for file in new]
        if BACKUP_NAME in settings.load_settings().remotes:
            back_up = partial(_back_up_scorecard, card, name, folder)
            problems += remote_datasets.try_optional("backup", back_up)
    if sheet:
        update = partial(publish_scorecards, cards, latest_days=LATEST_DAYS)
        problems += remote_datasets.try_optional("sheet", update)
    return RescoreResult(name, tuple(cards), tuple(transferred), tuple(problems))


def _back_up_scorecard(card: Scorecard, name: str, folder: str) -> None:
    target = storage.resolve_location(remote_datasets.BACKUP_REMOTE) / name / folder
    storage.transfer_files(card.folder, target, only=SCORE_FILES, progress=False).require_complete()
