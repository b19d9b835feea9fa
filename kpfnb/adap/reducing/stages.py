"""The stages in a dataset's life, from its raw frames on the remote to its results there.

Each is a function that does its part, adds to the work what later stages need, and says in a few
words what it did. Their order is data: `STAGES`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb import settings, storage
from kpfnb.adap import dataset, holdings
from kpfnb.adap.dataset import COMPLETE, RAW
from kpfnb.adap.preparing import trimming
from kpfnb.adap.profile import Profile
from kpfnb.adap.pypeit import memory
from kpfnb.adap.reducing import (
    frames,
    publication,
    qatar,
    reduction,
    republished,
    task,
    usefulwarnings,
    workplace,
)
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.scoring import scorecard, scorerow, scoresheet
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.storage import Location
from kpfnb.storage.carried import readable
from kpfnb.workqueue.lease import Lease

PLANS = "plans"


@dataclass(frozen=True)
class Order:
    """How datasets are to be reduced; the same for all of a queue.

    Attributes
    ----------
    profile : of the spectrograph
    source, backup : where datasets are, and where their results are kept once more (`REMOTE:` or
        a folder); no backup if empty
    custom : folder of datasets' own parameter and reduction files; '' for none
    exclude : file that names frames not to be used; '' for none
    sheet : write scorecards into the sheet
    keep : leave the local copy
    """

    profile: Profile
    source: str = holdings.DATA
    backup: str = holdings.BACKUP
    custom: str = ""
    exclude: str = ""
    sheet: bool = True
    keep: bool = False
    silence_minutes: float = 30
    timeout_minutes: float = 0
    force: bool = False


@dataclass
class Work:
    """A dataset on its way.

    Attributes
    ----------
    lease : the right to publish it
    tell : called with what is being done
    plans : the folders of its reduction files, by the folder of results that each is for
    reductions : what was made
    """

    name: str
    order: Order
    lease: Lease
    tell: Callable[[str], None]
    progress: bool = True
    plans: dict[str, Path] = field(default_factory=dict)
    reductions: list[Reduction] = field(default_factory=list)
    scorecards: list[Scorecard] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Its local place."""
        return local_folder(self.name)

    @property
    def complete(self) -> Path:
        """The local folder of its raw frames and reductions."""
        return self.folder / COMPLETE

    @property
    def remote(self) -> Location:
        """Where its raw frames and reductions are on the remote."""
        return storage.at(self.order.source) / self.name / COMPLETE

    @property
    def logs(self) -> list[Path]:
        """PypeIt's own log of each reduction file that was run."""
        plans = (path for one in self.reductions for path in one.output.glob("*/*.pypeit"))
        return sorted(path.with_suffix(".log") for path in plans)


def local_folder(name: str) -> Path:
    """The local place of a dataset, `<work_dir>/datasets/mask/config/date`."""
    return settings.load().work_dir / dataset.FOLDER / name


def download(work: Work) -> str:
    """Bring the raw frames here, verified; what is here and the same is not brought again."""
    raw = work.remote / RAW
    try:
        # A frame that was taken out of the dataset goes here, too
        carried = storage.carry(raw, work.complete / RAW, mirror=True, progress=work.progress)
    except BadInput as error:
        raise BadInput(
            f"dataset {work.name} has no {COMPLETE}/{RAW} in {work.order.source} ({error.what})",
            "check its name; a dataset without science, flat and arc frames is incomplete",
        ) from error
    publication.check(carried)
    return f"{len(carried.items)} frames, {readable(sum(one.size for one in carried.items))}"


def trim(work: Work) -> str:
    """Write the reduction files, with the calibrations that PypeIt needs."""
    place = work.folder / PLANS
    if place.exists():
        shutil.rmtree(place)
    made = trimming.trim(
        work.complete / RAW,
        place,
        work.order.profile,
        dataset=work.name,
        custom=Path(work.order.custom).expanduser() if work.order.custom else None,
        exclude=Path(work.order.exclude).expanduser() if work.order.exclude else (),
    )
    work.plans = {path.parents[1].name: path.parents[1] for path in made.files}
    return ", ".join(f"{one.used} of {one.frames} frames used" for one in made.written)


def reduce(work: Work) -> str:
    """Run PypeIt on each reduction file, and judge the products.

    What is on the remote, whole and of the same inputs, is brought here instead.
    """
    for name, plans in work.plans.items():
        output = work.complete / name
        _clear(output)
        earlier = publication.record_on(work.remote / name)
        brought = _bring(work, name, earlier) if earlier and not work.order.force else None
        made = brought or reduction.run(
            work.complete / RAW,
            output,
            spectrograph=work.order.profile.spectrograph,
            plans=plans,
            expected_bytes=memory.expected_bytes(earlier),
            silence_minutes=work.order.silence_minutes,
            timeout_minutes=work.order.timeout_minutes,
            force=work.order.force,
            progress=work.progress,
            tell=work.tell,
        )
        work.reductions.append(made)
    return "; ".join(one.reason for one in work.reductions)


def _bring(work: Work, name: str, record: dict[str, Any]) -> Reduction | None:
    raw, output = work.complete / RAW, work.complete / name
    spectrograph = work.order.profile.spectrograph
    wanted = task.prepare(raw, output, spectrograph, "all", (), work.plans[name])
    inputs = wanted.inputs(frames.find(raw))
    place = work.remote / name
    return republished.bring(place, output, record, inputs, progress=work.progress)


def _clear(folder: Path) -> None:
    """Remove a folder that holds reduction files only, as `kpfnb prepare` leaves it."""
    if folder.is_dir() and all(p.suffix == trimming.PYPEIT for p in folder.rglob("*.*")):
        shutil.rmtree(folder)


def warn(work: Work) -> str:
    """Write the useful warnings of each log beside it."""
    written = [usefulwarnings.write(log) for log in work.logs if log.is_file()]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in written)
    return f"{lines} useful warnings in {len(written)} logs"


def pack(work: Work) -> str:
    """Put the QA of each setup into an archive."""
    setups = {log.parent for log in work.logs}
    packed = [archive for folder in sorted(setups) if (archive := qatar.pack(folder))]
    return f"{len(packed)} archives, {readable(sum(path.stat().st_size for path in packed))}"


def score(work: Work) -> str:
    """Write the scorecard of each reduction."""
    for made in work.reductions:
        is_good = made.outcome is Outcome.SUCCEEDED
        status = scorerow.Status.COMPLETE if is_good else scorerow.Status.FAILED
        card = scorecard.score(made.output, work.name, status=status)
        card.write()
        work.scorecards.append(card)
    return f"{sum(len(card.rows) for card in work.scorecards)} science frames scored"


def publish(work: Work) -> str:
    """Bring the results to the remote, verified, before earlier ones go."""
    done = []
    for made in work.reductions:
        name = made.output.name.removesuffix(workplace.FAILED)
        done.append(
            publication.publish(
                made.output,
                work.remote,
                name,
                token=work.lease.token,
                confirm=work.lease.confirm,
            )
        )
    return "; ".join(map(str, done))


def back_up(work: Work) -> str:
    """Make the backup of the results the same as they are on the remote."""
    label, colon, _ = work.order.backup.partition(":")
    if not work.order.backup or (colon and label not in settings.load().remotes):
        return "no backup remote"
    carried = holdings.sync_backups(
        [work.name], source=work.order.source, backup=work.order.backup, progress=work.progress
    )
    publication.check(carried)
    return carried.reason


def tell_sheet(work: Work) -> str:
    """Write the scorecards into the sheet."""
    if not work.order.sheet or not work.scorecards:
        return "not asked for"
    return scoresheet.publish(work.scorecards).reason


def clean_up(work: Work) -> str:
    """Remove the local copy: all of it is on the remote."""
    if work.order.keep:
        return f"kept in {work.folder}"
    leaving = work.folder.with_name(f"{work.folder.name}.leaving")
    if leaving.exists():
        shutil.rmtree(leaving)
    # Renamed first: a half removed one is never taken for a reduction
    work.folder.rename(leaving)
    shutil.rmtree(leaving)
    return "local copy removed"


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes
    ----------
    vital : where it fails, nothing after it is done; of another the failure is only told
    """

    name: str
    do: Callable[[Work], str]
    vital: bool = True


STAGES = (
    Stage("download", download),
    Stage("trim", trim),
    Stage("reduce", reduce),
    Stage("warnings", warn, vital=False),
    Stage("QA", pack, vital=False),
    Stage("scorecard", score, vital=False),
    Stage("publish", publish),
    Stage("backup", back_up, vital=False),
    Stage("sheet", tell_sheet, vital=False),
    Stage("clean up", clean_up),
)
