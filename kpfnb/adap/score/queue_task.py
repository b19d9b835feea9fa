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

from kpfnb import locks, settings, storage
from kpfnb.adap import dataset as datasets
from kpfnb.adap import holdings
from kpfnb.adap.reducing import workplace
from kpfnb.adap.reducing.products import SCIENCE
from kpfnb.adap.scoring import badslits, scorecard, scorelimits, scorerow, scoresheet, scoreslits
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.adap.scoring.scorelimits import Criteria
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief
from kpfnb.storage import Location, State
from kpfnb.workqueue.lease import Lease

LATEST_DAYS = 10_000
"""Nothing is reduced here, so nothing in the sheet's `latest` becomes old by it."""
BACKUP = holdings.BACKUP.rstrip(":")
DYING_SECONDS = 60
"""How long to wait for a worker that was killed to be gone."""
FILES = (scorecard.FILE, badslits.FILE, scoreslits.FILE)


@dataclass(frozen=True, repr=False)
class Rescored(Brief):
    """What became of one dataset.

    Attributes
    ----------
    carried : the files that are new on the remotes
    troubles : what went wrong after the scorecard was on the remote: backup or sheet
    """

    dataset: str
    cards: tuple[Scorecard, ...]
    carried: tuple[str, ...] = ()
    troubles: tuple[str, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """In part where the backup or the sheet was not told."""
        return Outcome.PARTIAL if self.troubles else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        rows = [row for card in self.cards for row in card.rows]
        bad = sum(row.bad_slit_count for row in rows)
        text = f"{self.dataset}: {len(rows)} science frames, {bad} bad slits"
        text += f"; {len(self.carried)} files are new" if self.carried else "; nothing has changed"
        return "; ".join([text, *self.troubles])

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "rows": [row.to_dict() for card in self.cards for row in card.rows],
            "carried": list(self.carried),
            "troubles": list(self.troubles),
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


def run(
    item: str, lease: Lease, *, source: str = holdings.DATA, limits: str = "", sheet: bool = True
) -> Rescored:
    """Score one dataset on the remote again.

    source : the remote with the datasets
    limits : a file of limits; the package's own by default
    sheet : tell the scorecard's sheet
    """
    name = str(datasets.parse(item))
    criteria = scorelimits.load(limits)
    origin = storage.at(source) / name
    folders = datasets.reductions(origin)
    if not folders:
        raise BadInput(f"dataset {name} has no results in {source}", "is it reduced yet?")
    local = settings.load().work_dir / "rescoring" / name
    with locks.hold(f"rescoring-{name}", wait_seconds=DYING_SECONDS):
        # What a killed worker left may be of an older reduction
        shutil.rmtree(local, ignore_errors=True)
        try:
            cards = [_score(origin / one, local / one, name, criteria) for one in folders]
            lease.confirm()
            return _publish(name, cards, origin, local, sheet=sheet)
        finally:
            shutil.rmtree(local, ignore_errors=True)


def _score(origin: Location, local: Path, name: str, criteria: Criteria) -> Scorecard:
    """Bring what is needed of a reduction here, score it and write the files here."""
    paths = [one.path for one in origin.list(recursive=True) if not one.is_folder]
    wanted = [path for path in paths if _is_needed(path)]
    if not any(path.endswith(".pypeit") for path in wanted):
        raise BadInput(f"no reduction in {origin}: no .pypeit file", "reduce the dataset again")
    holdings.whole(storage.carry(origin, local, only=wanted, progress=False))
    path = local / scorecard.FILE
    kept = scorerow.read(path) if path.is_file() else ()
    card = scorecard.score(local, name, criteria=criteria, kept=kept)
    card.write()
    return card


def _is_needed(path: str) -> bool:
    """What a scorecard is made of, below a reduction; calibrations and pictures stay there."""
    parts = path.split("/")
    if len(parts) == 1:
        return path == workplace.RECORD or path == scorecard.FILE
    if len(parts) == 2:
        return parts[1].endswith((".pypeit", ".log"))
    return len(parts) == 3 and parts[1] == SCIENCE and parts[2].endswith(".fits")


def _publish(
    name: str, cards: list[Scorecard], origin: Location, local: Path, *, sheet: bool
) -> Rescored:
    """The files to the remote; then, what may fail without harm, to the backup and the sheet."""
    carried, troubles = [], []
    for card in cards:
        below = card.folder.relative_to(local).as_posix()
        sent = storage.carry(card.folder, origin / below, only=FILES, progress=False)
        done = holdings.whole(sent)
        new = (item for item in done.items if item.state is State.COPIED)
        carried += [f"{below}/{item.path}" for item in new]
        if BACKUP in settings.load().remotes:
            troubles += holdings.attempt("backup", partial(_back_up, card, name, below))
    if sheet:
        tell = partial(scoresheet.publish, cards, latest_days=LATEST_DAYS)
        troubles += holdings.attempt("sheet", tell)
    return Rescored(name, tuple(cards), tuple(carried), tuple(troubles))


def _back_up(card: Scorecard, name: str, below: str) -> None:
    target = storage.at(holdings.BACKUP) / name / below
    holdings.whole(storage.carry(card.folder, target, only=FILES, progress=False))
