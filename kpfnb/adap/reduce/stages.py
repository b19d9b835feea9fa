"""The stages in a dataset's life, from its raw frames on the remote to its results there.

Each is a function that does its part, adds to the work what later stages need, and says in a few
words what it did. Their order is data: `STAGES`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap import holdings
from kpfnb.adap.dataset import COMPLETE, RAW
from kpfnb.adap.preparing import trimming
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
from kpfnb.adap.reducing.work import Work
from kpfnb.adap.scoring import scorecard, scorerow, scoresheet
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.storage import names
from kpfnb.storage.carried import readable

PLANS, ASIDE = "plans", "aside"
"""Below the local place of a dataset: its reduction files, and raw frames that only are there."""


def download(work: Work) -> str:
    """Bring the raw frames here, verified; what is here and the same is not brought again."""
    raw, here = work.remote / RAW, work.complete / RAW
    try:
        carried = storage.carry(raw, here, progress=work.progress)
    except BadInput as error:
        raise BadInput(
            f"dataset {work.name} has no {COMPLETE}/{RAW} in {work.order.source} ({error.what})",
            "check its name; a dataset without science, flat and arc frames is incomplete",
        ) from error
    publication.check(carried)
    told = f"{len(carried.items)} frames, {readable(sum(one.size for one in carried.items))}"
    aside = _put_aside(here, {one.path for one in carried.items}, work.folder / ASIDE)
    return told + (f"; {aside} that are only here put aside" if aside else "")


def _put_aside(raw: Path, wanted: Collection[str], aside: Path) -> int:
    """Move frames away that are not wanted: taken out of the dataset, or never brought to it."""
    paths = [path for path in _files(raw) if path.relative_to(raw).as_posix() not in wanted]
    for path in paths:
        target = aside / path.relative_to(raw)
        while target.exists():
            target = target.with_name(f"{target.name}~")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return len(paths)


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
    if not work.order.has_backup:
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
    """Remove the local copy where all of it is on the remote, or made anew from that."""
    if work.order.keep:
        return f"kept in {work.folder}"
    below = (path.relative_to(work.folder) for path in _files(work.folder))
    if others := sorted(str(path) for path in below if not _is_on_remote(path.parts, work.plans)):
        more = f" and {len(others) - 1} more" if others[1:] else ""
        return f"kept in {work.folder}: {others[0]}{more} on no remote"
    leaving = work.folder.with_name(f"{work.folder.name}.leaving")
    if leaving.exists():
        shutil.rmtree(leaving)
    # Renamed first: a half removed one is never taken for a reduction
    work.folder.rename(leaving)
    shutil.rmtree(leaving)
    return "local copy removed"


def _is_on_remote(parts: Sequence[str], reductions: Iterable[str]) -> bool:
    """Whether a file below a dataset's local place is of what was brought, made and published."""
    if parts[0] != COMPLETE:
        return parts[0] == PLANS
    own = (RAW, *reductions)
    put_aside = tuple(f"{name}." for name in reductions)
    return parts[1] in own or parts[1].startswith((publication.STAGED, *put_aside))


def _files(folder: Path) -> list[Path]:
    """All files below a folder, but for what a killed writer left."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return [path for path in found if not names.is_unfinished(path.name)]


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
