"""One dataset from its raw frames on the remote to its results there, with or without a queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from kpfnb.adap.products import dataset
from kpfnb.adap.profiles import spectrograph as profile
from kpfnb.adap.pypeit import installation
from kpfnb.adap.reduce import job, stages
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult, StageResult
from kpfnb.adap.reduce.job import DatasetJob, ReductionConfig
from kpfnb.adap.reduce.stages import ReductionStage
from kpfnb.core import locks, logs
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.queue.lease import Lease

_log = logging.getLogger(__name__)

NOTIFY_SECONDS = 5.0
"""What is being done is told so often within a stage."""


def make_config(
    spectrograph: str | Path,
    *,
    source: str = ReductionConfig.source,
    backup: str = ReductionConfig.backup,
    custom: str = "",
    exclude: str = "",
    sheet: bool = True,
    keep: bool = False,
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    force: bool = False,
) -> ReductionConfig:
    """The checked order; see `work.Order`.

    Parameters
    ----------
    spectrograph : a profile's name, or the path of a profile's file

    Raises
    ------
    InvalidInputError, InvalidParameterError : no such profile or spectrograph
    ServiceUnavailableError : PypeIt is not installed
    """
    found = profile.load_profile(spectrograph)
    installation.check_spectrograph(found.spectrograph)
    for what, name in (("custom", custom), ("exclude", exclude)):
        if name and not Path(name).expanduser().exists():
            raise InvalidInputError(f"{what}: {name} does not exist", "check the name")
    return ReductionConfig(
        found,
        source=source,
        backup=backup,
        custom=custom,
        exclude=exclude,
        sheet=sheet,
        keep=keep,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
        force=force,
    )


def process_dataset(
    name: str,
    wanted: ReductionConfig,
    *,
    lease: Lease | None = None,
    dry_run: bool = False,
    progress: bool = True,
) -> ReductionBatchResult:
    """Reduce one dataset and publish its results; stopped anywhere, it goes on where it was.

    It has succeeded when every frame of every reduction file is reduced and all is published;
    it is done in part where only the backup or another thing beside the results failed.

    Parameters
    ----------
    name : mask/config/date
    lease : the right to publish; by default nobody else is asked

    Raises
    ------
    InvalidInputError : no such dataset, nothing of it can be reduced, or it would be reduced where it is
    StorageError : it can't be brought here, or its results can't be published; they are kept here
    LeaseLost : another worker has it by now
    AlreadyRunningError : another process here is at work on it
    """
    name = str(dataset.parse_dataset(name))
    wanted.check_places(name)
    if dry_run:
        return _describe_plan(name, wanted)
    held = lease or Lease("", name, 0, 1, lambda: True)
    with locks.acquire_lock(f"dataset-{name}", wait_seconds=job.SHUTDOWN_WAIT_SECONDS):
        return _run_stages(DatasetJob(name, wanted, held, held.note, progress))


def _run_stages(work: DatasetJob) -> ReductionBatchResult:
    done = []
    for stage in stages.STAGES:
        done.append(_run_stage(stage, work))
        _log.info("%s: %s: %s", work.name, stage.name, done[-1].failure or done[-1].detail)
    failed = [one for one in work.reductions if one.outcome is not Outcome.SUCCEEDED]
    wrong = [f"{one.name}: {one.failure}" for one in done if one.failure]
    outcome = Outcome.FAILED if failed else Outcome.PARTIAL if wrong else Outcome.SUCCEEDED
    reasons = [one.reason for one in failed or work.reductions]
    reason = "; ".join([*reasons, *wrong])
    part = DatasetResult(work.name, outcome, reason, tuple(work.reductions), tuple(done))
    return ReductionBatchResult(
        (part,), is_final=not any(step.is_transient for one in failed for step in one.steps)
    )


def _run_stage(stage: ReductionStage, work: DatasetJob) -> StageResult:
    began = time.monotonic()
    work.lease.note(stage.name)
    work.notify = _throttle(lambda text: work.lease.note(f"{stage.name}: {text}"))
    detail = failure = ""
    try:
        detail = stage.run(work)
    except KpfnbError as error:
        if stage.is_vital:
            raise
        failure = logs.redact_secrets(error.what)
    return StageResult(stage.name, time.monotonic() - began, detail, failure)


def _throttle(tell: Callable[[str], None]) -> Callable[[str], None]:
    """The same, but not more often than every few seconds."""
    last = time.monotonic()

    def told(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= NOTIFY_SECONDS:
            last = now
            tell(text)

    return told


def _describe_plan(name: str, wanted: ReductionConfig) -> ReductionBatchResult:
    raw = DatasetJob(name, wanted, Lease("", name, 0, 1, lambda: True), print).remote / dataset.RAW
    if raw.kind() != "folder":
        raise InvalidInputError(f"no raw frames in {raw}", "check the dataset's name")
    names = ", ".join(stage.name for stage in stages.STAGES)
    note = f"dry run: {name}: {len(raw.list())} raw frames in {raw}; would do: {names}"
    return ReductionBatchResult((), note)
