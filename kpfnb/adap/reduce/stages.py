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
from kpfnb.adap.prepare import trim
from kpfnb.adap.products import dataset, qa_archive, remote_datasets
from kpfnb.adap.products import reduction as workplace
from kpfnb.adap.products.dataset import COMPLETE, RAW
from kpfnb.adap.pypeit import memory, useful_warnings
from kpfnb.adap.reduce import job, publication
from kpfnb.adap.reduce import publication as republished
from kpfnb.adap.reduce import run as reduction
from kpfnb.adap.reduce.job import DatasetJob
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import row, scorecard, sheet
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.storage import paths as names
from kpfnb.storage.transfer_result import format_bytes

PYPEIT_FILES_FOLDER, ASIDE_FOLDER = "plans", "aside"
"""Below the local place of a dataset: its reduction files, and raw frames that only are there."""


def download_frames(work: DatasetJob) -> str:
    """Bring the raw frames here, verified; what is here and the same is not brought again."""
    raw, here = work.remote / RAW, work.complete / RAW
    try:
        carried = storage.transfer_files(raw, here, progress=work.progress)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"dataset {work.name} has no {COMPLETE}/{RAW} in {work.config.source} ({error.what})",
            "check its name; a dataset without science, flat and arc frames is incomplete",
        ) from error
    publication.require_transferred(carried)
    told = f"{len(carried.items)} frames, {format_bytes(sum(one.size for one in carried.items))}"
    aside = _put_aside(here, {one.path for one in carried.items}, work.folder / ASIDE_FOLDER)
    return told + (f"; {aside} that are only here put aside" if aside else "")


def _put_aside(raw: Path, wanted: Collection[str], aside: Path) -> int:
    """Move frames away that are not wanted: taken out of the dataset, or never brought to it."""
    paths = [path for path in _list_files(raw) if path.relative_to(raw).as_posix() not in wanted]
    for path in paths:
        target = aside / path.relative_to(raw)
        while target.exists():
            target = target.with_name(f"{target.name}~")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return len(paths)


def trim_dataset(work: DatasetJob) -> str:
    """Write the reduction files, with the calibrations that PypeIt needs."""
    place = work.folder / PYPEIT_FILES_FOLDER
    if place.exists():
        shutil.rmtree(place)
    made = trim.trim_dataset(
        work.complete / RAW,
        place,
        work.config.profile,
        dataset=work.name,
        custom=Path(work.config.custom).expanduser() if work.config.custom else None,
        exclude=Path(work.config.exclude).expanduser() if work.config.exclude else (),
    )
    work.pypeit_folders = {path.parents[1].name: path.parents[1] for path in made.paths}
    return ", ".join(f"{one.used} of {one.frames} frames used" for one in made.file_results)


def reduce_setups(work: DatasetJob) -> str:
    """Run PypeIt on each reduction file, and judge the products.

    What is on the remote, whole and of the same inputs, is brought here instead.
    """
    for name, plans in work.pypeit_folders.items():
        output = work.complete / name
        _remove_unreduced(output)
        earlier = publication.read_remote_record(work.remote / name)
        brought = (
            _fetch_published(work, name, earlier) if earlier and not work.config.force else None
        )
        made = brought or reduction.reduce_folder(
            work.complete / RAW,
            output,
            spectrograph=work.config.profile.spectrograph,
            pypeit_files=plans,
            expected_bytes=memory.estimate_bytes(earlier),
            silence_minutes=work.config.silence_minutes,
            timeout_minutes=work.config.timeout_minutes,
            force=work.config.force,
            progress=work.progress,
            notify=work.notify,
        )
        work.reductions.append(made)
    return "; ".join(one.reason for one in work.reductions)


def _fetch_published(work: DatasetJob, name: str, record: dict[str, Any]) -> ReductionResult | None:
    raw, output = work.complete / RAW, work.complete / name
    spectrograph = work.config.profile.spectrograph
    wanted = job.prepare_task(raw, output, spectrograph, "all", (), work.pypeit_folders[name])
    inputs = wanted.inputs(dataset.find_raw_frames(raw))
    place = work.remote / name
    return republished.fetch_if_same(place, output, record, inputs, progress=work.progress)


def _remove_unreduced(folder: Path) -> None:
    """Remove a folder that holds reduction files only, as `kpfnb prepare` leaves it."""
    if folder.is_dir() and all(p.suffix == trim.PYPEIT_SUFFIX for p in folder.rglob("*.*")):
        shutil.rmtree(folder)


def extract_warnings(work: DatasetJob) -> str:
    """Write the useful warnings of each log beside it."""
    written = [useful_warnings.write_warnings(log) for log in work.logs if log.is_file()]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in written)
    return f"{lines} useful warnings in {len(written)} logs"


def archive_qa(work: DatasetJob) -> str:
    """Put the QA of each setup into an archive."""
    setups = {log.parent for log in work.logs}
    packed = [archive for folder in sorted(setups) if (archive := qa_archive.pack_qa(folder))]
    return f"{len(packed)} archives, {format_bytes(sum(path.stat().st_size for path in packed))}"


def score_reductions(work: DatasetJob) -> str:
    """Write the scorecard of each reduction."""
    for made in work.reductions:
        is_good = made.outcome is Outcome.SUCCEEDED
        status = row.FrameStatus.COMPLETE if is_good else row.FrameStatus.FAILED
        card = scorecard.score_reduction(made.output, work.name, status=status)
        card.write()
        work.scorecards.append(card)
    return f"{sum(len(card.rows) for card in work.scorecards)} science frames scored"


def publish_results(work: DatasetJob) -> str:
    """Bring the results to the remote, verified, before earlier ones go."""
    done = []
    for made in work.reductions:
        name = made.output.name.removesuffix(workplace.FAILED_SUFFIX)
        done.append(
            publication.publish_reduction(
                made.output,
                work.remote,
                name,
                token=work.lease.token,
                confirm=work.lease.confirm,
            )
        )
    return "; ".join(map(str, done))


def back_up_results(work: DatasetJob) -> str:
    """Make the backup of the results the same as they are on the remote."""
    if not work.config.has_backup:
        return "no backup remote"
    carried = remote_datasets.sync_backups(
        [work.name], source=work.config.source, backup=work.config.backup, progress=work.progress
    )
    publication.require_transferred(carried)
    return carried.reason


def update_sheet(work: DatasetJob) -> str:
    """Write the scorecards into the sheet."""
    if not work.config.sheet or not work.scorecards:
        return "not asked for"
    return sheet.update_sheet(work.scorecards).reason


def remove_local_copy(work: DatasetJob) -> str:
    """Remove the local copy where all of it is on the remote, or made anew from that."""
    if work.config.keep:
        return f"kept in {work.folder}"
    below = (path.relative_to(work.folder) for path in _list_files(work.folder))
    if others := sorted(
        str(path) for path in below if not _is_on_remote(path.parts, work.pypeit_folders)
    ):
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
        return parts[0] == PYPEIT_FILES_FOLDER
    own = (RAW, *reductions)
    put_aside = tuple(f"{name}." for name in reductions)
    return parts[1] in own or parts[1].startswith((publication.STAGED_PREFIX, *put_aside))


def _list_files(folder: Path) -> list[Path]:
    """All files below a folder, but for what a killed writer left."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return [path for path in found if not names.is_temporary(path.name)]


@dataclass(frozen=True)
class ReductionStage:
    """One stage.

    Attributes
    ----------
    vital : where it fails, nothing after it is done; of another the failure is only told
    """

    name: str
    run: Callable[[DatasetJob], str]
    is_vital: bool = True


STAGES = (
    ReductionStage("download", download_frames),
    ReductionStage("trim", trim_dataset),
    ReductionStage("reduce", reduce_setups),
    ReductionStage("warnings", extract_warnings, is_vital=False),
    ReductionStage("QA", archive_qa, is_vital=False),
    ReductionStage("scorecard", score_reductions, is_vital=False),
    ReductionStage("publish", publish_results),
    ReductionStage("backup", back_up_results, is_vital=False),
    ReductionStage("sheet", update_sheet, is_vital=False),
    ReductionStage("clean up", remove_local_copy),
)
