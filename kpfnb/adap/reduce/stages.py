"""The stages of a dataset's reduction, from raw frames on the remote to results there.

Each is a function that does its part, adds to the job what later stages need, and returns a short
report. Their order is data: `STAGES`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.prepare import trim
from kpfnb.adap.products import dataset, qa_archive, reduction, remote_datasets
from kpfnb.adap.products.dataset import COMPLETE, RAW
from kpfnb.adap.pypeit import memory, useful_warnings
from kpfnb.adap.reduce import publication, run
from kpfnb.adap.reduce.job import DatasetJob, ReductionTask, prepare_task
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import row, scorecard
from kpfnb.adap.score.run import publish_scorecards
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.core.text import format_size
from kpfnb.storage.paths import is_temporary

PYPEIT_FILES_FOLDER, ASIDE_FOLDER = "plans", "aside"
"""Folders in a dataset's local one: reduction files, and frames that are not on the remote."""


def download_frames(job: DatasetJob) -> str:
    """Download the raw frames, verified; unchanged ones are not downloaded again."""
    local = job.complete / RAW
    try:
        transfer = storage.transfer_files(job.remote / RAW, local, progress=job.progress)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"dataset {job.name} has no {COMPLETE}/{RAW} in {job.config.source} ({error.what})",
            "check its name; a dataset without science, flat and arc frames is incomplete",
        ) from error
    transfer.require_complete()
    size = format_size(sum(item.size for item in transfer.items))
    report = f"{len(transfer.items)} frames, {size}"
    moved = _put_aside(local, {item.path for item in transfer.items}, job.folder / ASIDE_FOLDER)
    return report + (f"; {moved} that are not on the remote put aside" if moved else "")


def _put_aside(raw: Path, wanted: Collection[str], aside: Path) -> int:
    """Move frames away that are not wanted: removed from the dataset, or never a part of it."""
    paths = [path for path in _list_files(raw) if path.relative_to(raw).as_posix() not in wanted]
    for path in paths:
        target = aside / path.relative_to(raw)
        while target.exists():
            target = target.with_name(f"{target.name}~")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return len(paths)


def trim_dataset(job: DatasetJob) -> str:
    """Write the reduction files, with the calibrations that PypeIt needs."""
    folder = job.folder / PYPEIT_FILES_FOLDER
    if folder.exists():
        shutil.rmtree(folder)
    config = job.config
    trimmed = trim.trim_dataset(
        job.complete / RAW,
        folder,
        job.profile,
        dataset=job.name,
        custom=Path(config.custom).expanduser() if config.custom else None,
        exclude=Path(config.exclude).expanduser() if config.exclude else (),
    )
    job.pypeit_folders = {path.parents[1].name: path.parents[1] for path in trimmed.paths}
    return ", ".join(f"{file.used} of {file.frames} frames used" for file in trimmed.file_results)


def reduce_setups(job: DatasetJob) -> str:
    """Run PypeIt on each reduction file, and evaluate the products.

    Results on the remote that are complete and of the same inputs are downloaded instead.
    """
    config = replace(job.config, spectrograph=job.profile.spectrograph, setup="all", parameters=())
    for name, pypeit_files in job.pypeit_folders.items():
        raw, output = job.complete / RAW, job.complete / name
        _remove_unreduced(output)
        record = publication.read_remote_record(job.remote / name)
        published = None
        if record and not config.force:
            task = prepare_task(raw, output, config, pypeit_files)
            published = _fetch_published(job, name, task, record)
        job.reductions.append(
            published
            or run.reduce_folder(
                raw,
                output,
                config,
                pypeit_files=pypeit_files,
                expected_bytes=memory.estimate_bytes(record),
                progress=job.progress,
                on_status=job.notify,
            )
        )
    return "; ".join(result.reason for result in job.reductions)


def _fetch_published(
    job: DatasetJob, name: str, task: ReductionTask, record: dict[str, Any]
) -> ReductionResult | None:
    inputs = task.inputs(dataset.find_raw_frames(task.raw))
    place = job.remote / name
    return publication.fetch_if_same(place, task.output, record, inputs, progress=job.progress)


def _remove_unreduced(folder: Path) -> None:
    """Remove a folder that holds reduction files only, as `kpfnb prepare` leaves it."""
    if folder.is_dir() and all(p.suffix == trim.PYPEIT_SUFFIX for p in folder.rglob("*.*")):
        shutil.rmtree(folder)


def extract_warnings(job: DatasetJob) -> str:
    """Write the useful warnings of each log beside it."""
    written = [useful_warnings.write_warnings(log) for log in job.logs if log.is_file()]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in written)
    return f"{lines} useful warnings in {len(written)} logs"


def archive_qa(job: DatasetJob) -> str:
    """Put the QA files of each setup into an archive."""
    setups = sorted({log.parent for log in job.logs})
    archives = [archive for folder in setups if (archive := qa_archive.pack_qa(folder))]
    return f"{len(archives)} archives, {format_size(sum(a.stat().st_size for a in archives))}"


def score_reductions(job: DatasetJob) -> str:
    """Write the scorecard of each reduction."""
    for result in job.reductions:
        is_good = result.outcome is Outcome.SUCCEEDED
        status = row.FrameStatus.COMPLETE if is_good else row.FrameStatus.FAILED
        card = scorecard.score_reduction(result.output, job.name, status=status)
        card.write()
        job.scorecards.append(card)
    return f"{sum(len(card.rows) for card in job.scorecards)} science frames scored"


def publish_results(job: DatasetJob) -> str:
    """Upload the results, verified, before earlier ones are removed."""
    publications = [
        publication.publish_reduction(
            result.output,
            job.remote,
            result.output.name.removesuffix(reduction.FAILED_SUFFIX),
            token=job.lease.token,
            confirm=job.lease.confirm,
        )
        for result in job.reductions
    ]
    return "; ".join(map(str, publications))


def back_up_results(job: DatasetJob) -> str:
    """Make the backup of the results the same as they are on the remote."""
    if not job.config.has_backup:
        return "no backup remote"
    transfer = remote_datasets.sync_backups(
        [job.name], source=job.config.source, backup=job.config.backup, progress=job.progress
    )
    transfer.require_complete()
    return transfer.reason


def update_sheet(job: DatasetJob) -> str:
    """Write the scorecards into the sheet."""
    if not job.config.sheet or not job.scorecards:
        return "not requested"
    return publish_scorecards(job.scorecards).reason


def remove_local_copy(job: DatasetJob) -> str:
    """Remove the local copy if all of it is on the remote, or can be made from what is there."""
    if job.config.keep:
        return f"kept in {job.folder}"
    paths = (path.relative_to(job.folder) for path in _list_files(job.folder))
    only_local = sorted(str(p) for p in paths if not _is_on_remote(p.parts, job.pypeit_folders))
    if only_local:
        more = f" and {len(only_local) - 1} more" if only_local[1:] else ""
        return f"kept in {job.folder}: {only_local[0]}{more} not on any remote"
    leaving = job.folder.with_name(f"{job.folder.name}.leaving")
    if leaving.exists():
        shutil.rmtree(leaving)
    # Renamed first: a half removed folder is never taken for a reduction
    job.folder.rename(leaving)
    shutil.rmtree(leaving)
    return "local copy removed"


def _is_on_remote(parts: Sequence[str], reductions: Iterable[str]) -> bool:
    """Whether a local file was downloaded, or made from downloaded files and published."""
    if parts[0] != COMPLETE:
        return parts[0] == PYPEIT_FILES_FOLDER
    put_aside = tuple(f"{name}." for name in reductions)
    return parts[1] in (RAW, *reductions) or parts[1].startswith(
        (publication.STAGED_PREFIX, *put_aside)
    )


def _list_files(folder: Path) -> list[Path]:
    """All files below a folder, without the temporary ones of a killed writer."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return [path for path in paths if not is_temporary(path.name)]


@dataclass(frozen=True)
class ReductionStage:
    """One stage.

    Attributes
    ----------
    is_vital : if it fails, the later stages are not run; the failure of another is only reported
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
