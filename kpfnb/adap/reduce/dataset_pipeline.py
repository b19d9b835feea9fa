"""One dataset from its raw frames on the remote to its results there, with or without a queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from kpfnb.adap.products import dataset
from kpfnb.adap.reduce import job, stages
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult, StageResult
from kpfnb.adap.reduce.job import DatasetJob, ReductionConfig
from kpfnb.adap.reduce.stages import ReductionStage
from kpfnb.core import locks, logs
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.queue.lease import Lease

logger = logging.getLogger(__name__)

NOTIFY_SECONDS = 5.0
"""Shortest time between two reports within a stage."""


def process_dataset(
    name: str,
    config: ReductionConfig,
    *,
    lease: Lease | None = None,
    dry_run: bool = False,
    progress: bool = True,
) -> ReductionBatchResult:
    """Reduce one dataset and publish its results; if it is stopped, the next call continues.

    It has succeeded when every frame of every reduction file is reduced and all is published. It
    is partial if only the backup, or another stage that is not vital, failed.

    Parameters
    ----------
    name : mask/config/date
    lease : the right to publish; by default no other worker competes for it

    Raises
    ------
    InvalidInputError, InvalidParameterError : an option names nothing usable, there is no such
        dataset, nothing of it can be reduced, or it would be reduced in the folder of its remote
    StorageError : it can't be downloaded, or its results can't be published; they are kept here
    LeaseLostError : another worker has it by now
    AlreadyRunningError : another process on this machine is processing it
    ServiceUnavailableError : PypeIt is not installed
    """
    profile = config.load_profile()
    name = str(dataset.parse_dataset(name))
    config.check_places(name)
    if dry_run:
        return _describe_plan(name, config)
    lease = lease or Lease("", name, 0, 1, lambda: True)
    with locks.acquire_lock(f"dataset-{name}", wait_seconds=job.SHUTDOWN_WAIT_SECONDS):
        return _run_stages(DatasetJob(name, config, profile, lease, lease.note, progress))


def _run_stages(dataset_job: DatasetJob) -> ReductionBatchResult:
    stage_results = []
    for stage in stages.STAGES:
        result = _run_stage(stage, dataset_job)
        stage_results.append(result)
        logger.info("%s: %s: %s", dataset_job.name, stage.name, result.failure or result.detail)
    reductions = dataset_job.reductions
    failed = [result for result in reductions if result.outcome is not Outcome.SUCCEEDED]
    problems = [f"{result.name}: {result.failure}" for result in stage_results if result.failure]
    outcome = Outcome.FAILED if failed else Outcome.PARTIAL if problems else Outcome.SUCCEEDED
    reason = "; ".join([*(reduction.reason for reduction in failed or reductions), *problems])
    part = DatasetResult(dataset_job.name, outcome, reason, tuple(reductions), tuple(stage_results))
    may_pass = any(step.is_transient for reduction in failed for step in reduction.steps)
    return ReductionBatchResult((part,), is_final=not may_pass)


def _run_stage(stage: ReductionStage, dataset_job: DatasetJob) -> StageResult:
    start = time.monotonic()
    lease = dataset_job.lease
    lease.note(stage.name)
    dataset_job.notify = _limit_rate(lambda text: lease.note(f"{stage.name}: {text}"))
    detail = failure = ""
    try:
        detail = stage.run(dataset_job)
    except KpfnbError as error:
        if stage.is_vital:
            raise
        failure = logs.redact_secrets(error.what)
    return StageResult(stage.name, time.monotonic() - start, detail, failure)


def _limit_rate(notify: Callable[[str], None]) -> Callable[[str], None]:
    """The same function, but called at most every `NOTIFY_SECONDS`."""
    last = time.monotonic()

    def notify_seldom(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= NOTIFY_SECONDS:
            last = now
            notify(text)

    return notify_seldom


def _describe_plan(name: str, config: ReductionConfig) -> ReductionBatchResult:
    raw = job.remote_folder(name, config) / dataset.RAW
    if raw.kind() != "folder":
        raise InvalidInputError(f"no raw frames in {raw}", "check the dataset's name")
    stage_names = ", ".join(stage.name for stage in stages.STAGES)
    count = len(raw.list())
    note = f"dry run: {name}: {count} raw frames in {raw}; stages: {stage_names}"
    return ReductionBatchResult((), note)
