"""What the notebook `reduce` does: reduce a folder, a dataset, .pypeit files or a queue.

While PypeIt runs on this machine, it shows the current step, memory and the end of the log.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kpfnb.adap.products import reduction
from kpfnb.adap.products.dataset import COMPLETE, is_reduction_folder, select_dataset_names
from kpfnb.adap.pypeit import memory
from kpfnb.adap.reduce import dataset_pipeline, job, live_status, pypeit_files, run
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.queue import notebook_actions
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItem, QueueItemStatus


def reduce_from_notebook(
    config: ReductionConfig,
    *,
    raw: str = "",
    output: str = "",
    dataset: str = "",
    files: str = "",
    queue: str = "",
    workers: int = 1,
    dry_run: bool = False,
) -> ReductionResult | ReductionBatchResult:
    """Reduce one of `raw`, `dataset`, `files` and `queue`; without any, the example frames.

    Local copies of datasets are kept, so that the notebook can show them.

    Parameters
    ----------
    raw, output : see `kpfnb.adap.reduce.run.reduce_folder`
    dataset : see `kpfnb.adap.reduce.dataset_pipeline.process_dataset`
    files : folder of .pypeit files; see `kpfnb.adap.reduce.pypeit_files.run_pypeit_files`
    queue : name of a queue of datasets; see `reduce_queue`
    workers : datasets or files processed at a time

    Raises
    ------
    InvalidParameterError : more than one of the four
    """
    sources = {"raw": raw, "dataset": dataset, "files": files, "queue": queue}
    names = [name for name, value in sources.items() if value]
    if len(names) > 1:
        raise InvalidParameterError(f"{' and '.join(names)} exclude each other", "give one of them")
    config = replace(config, keep=True)
    with live_status.show_live_status(memory.list_reservations):
        if queue:
            return reduce_queue(queue, config, workers=0 if dry_run else workers)
        if dataset:
            return dataset_pipeline.process_dataset(dataset, config, dry_run=dry_run)
        if files:
            return pypeit_files.run_pypeit_files(files, config, workers=workers, dry_run=dry_run)
        return run.reduce_folder(raw, output, config, dry_run=dry_run)


def reduce_queue(queue: str, config: ReductionConfig, *, workers: int = 1) -> ReductionBatchResult:
    """Let workers reduce the items of a queue until none is left; the status of each item then.

    Parameters
    ----------
    workers : datasets processed at a time; 0 only reports the status of the items

    Raises
    ------
    InvalidInputError : the queue has no items
    InvalidParameterError, ServiceUnavailableError : an option is wrong; the queue's server does
        not answer
    """
    with Queue(queue) as client:
        if not any(client.counts().values()):
            raise InvalidInputError(
                f"queue {queue} has no items", f"load it: kpfnb queue load {queue} ..."
            )
    options: dict[str, Any] = {
        "spectrograph": config.spectrograph,
        "custom": config.custom,
        "exclude": config.exclude,
        "silence": round(config.silence_minutes),
        "timeout": round(config.timeout_minutes),
        "keep": config.keep,
        "force": config.force,
    }
    notebook_actions.run_task_workers("reduce", queue, workers, parameters=options)
    with Queue(queue) as client:
        counts = client.counts()
        items = [
            item
            for status in QueueItemStatus
            for item in client.items(status, limit=max(counts[status], 1))
        ]
    results = map(_result_of_item, sorted(items, key=lambda item: item.name))
    return ReductionBatchResult(tuple(results))


def _result_of_item(item: QueueItem) -> DatasetResult:
    result = item.result if isinstance(item.result, dict) else {}
    if item.state is QueueItemStatus.DONE:
        outcome = Outcome(result.get("outcome", Outcome.SUCCEEDED))
        reason = str(result.get("reason", "")).removeprefix(f"{item.name}: ")
    else:
        outcome = Outcome.SKIPPED if item.state.is_open else Outcome.FAILED
        reason = item.error.removeprefix(f"{item.name}: ") or str(item.state)
    return DatasetResult(item.name, outcome, reason, tuple(_kept_reductions(item.name)))


def _kept_reductions(name: str) -> list[ReductionResult]:
    """The reductions of which a local copy was kept."""
    if not select_dataset_names([name]):
        # The error of its item says what is wrong with the name
        return []
    complete = job.local_folder(name) / COMPLETE
    folders = [
        path.parent
        for path in sorted(complete.glob(f"*/{reduction.RECORD_NAME}"))
        if is_reduction_folder(path.parent.name)
    ]
    records = [(atomic.read_json(folder / reduction.RECORD_NAME), folder) for folder in folders]
    return [
        ReductionResult.from_dict(record, folder) for record, folder in records if record["outcome"]
    ]
