"""What the notebook `reduce` does: a folder, a dataset, .pypeit files or a queue, by parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpfnb.adap.products import dataset
from kpfnb.adap.products import reduction as workplace
from kpfnb.adap.reduce import (
    dataset_pipeline,
    job,
    live_status,
    pypeit_files,
    run,
)
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.queue import notebook_actions
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItem, QueueItemStatus

# A queue of datasets, worked on from here, and how each of its items stands then.


def reduce_queue(queue: str, *, workers: int = 1, options: dict[str, Any]) -> ReductionBatchResult:
    """Let workers reduce what is on a queue until nothing is left; how each item stands then.

    Parameters
    ----------
    workers : so many at a time; 0 only looks how the queue stands
    options : of the task `reduce`; see `kpfnb.adap.reduce.run`

    Raises
    ------
    InvalidInputError : the queue has no items
    InvalidParameterError, ServiceUnavailableError : an option is wrong; the queue's server does not answer
    """
    with Queue(queue) as found:
        if not any(found.counts().values()):
            raise InvalidInputError(
                f"queue {queue} has no items", f"load it: kpfnb queue load {queue} ..."
            )
    notebook_actions.run_task_workers("reduce", queue, workers, parameters=options)
    with Queue(queue) as found:
        counts = found.counts()
        items = [i for s in QueueItemStatus for i in found.items(s, limit=max(counts[s], 1))]
    return ReductionBatchResult(
        tuple(map(_result_of_item, sorted(items, key=lambda item: item.name)))
    )


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
    if not dataset.select_dataset_names([name]):
        # Its item tells what is wrong with it
        return []
    complete = job.local_folder(name) / dataset.COMPLETE
    folders = [
        path.parent
        for path in sorted(complete.glob(f"*/{workplace.RECORD_NAME}"))
        if dataset.is_reduction_folder(path.parent.name)
    ]
    records = [(atomic.read_json(folder / workplace.RECORD_NAME), folder) for folder in folders]
    return [
        ReductionResult.from_dict(record, folder) for record, folder in records if record["outcome"]
    ]


def reduce_from_notebook(
    *,
    raw: str = "",
    output: str = "",
    dataset: str = "",
    files: str = "",
    queue: str = "",
    spectrograph: str = "",
    setup: str = "all",
    config: Sequence[str] = (),
    custom: str = "",
    exclude: str = "",
    workers: int = 1,
    silence_minutes: int = 30,
    timeout_minutes: int = 0,
    force: bool = False,
    dry_run: bool = False,
) -> ReductionResult | ReductionBatchResult:
    """Reduce one of `raw`, `dataset`, `files` and `queue`; without any, the example frames.

    Local copies of datasets are kept, to be looked at.

    Parameters
    ----------
    raw, output, setup, config : see `reduction.run`
    dataset, custom, exclude : see `chain.run`
    files : folder of .pypeit files; see `pypeitfiles.run`
    queue : see `queuereduction.run`
    workers : so many datasets or files at a time

    Raises
    ------
    InvalidParameterError : more than one of the four
    """
    given = {"raw": raw, "dataset": dataset, "files": files, "queue": queue}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise InvalidParameterError(f"{' and '.join(named)} exclude each other", "give one of them")
    limits: dict[str, Any] = {
        "silence_minutes": silence_minutes,
        "timeout_minutes": timeout_minutes,
    }
    with live_status.show_live_status():
        if queue:
            options: dict[str, Any] = {
                "spectrograph": spectrograph,
                "custom": custom,
                "exclude": exclude,
            }
            options |= {"silence": silence_minutes, "timeout": timeout_minutes, "keep": True}
            options["force"] = force
            return reduce_queue(queue, workers=0 if dry_run else workers, options=options)
        if dataset:
            wanted = dataset_pipeline.make_config(
                spectrograph, custom=custom, exclude=exclude, keep=True, force=force, **limits
            )
            return dataset_pipeline.process_dataset(dataset, wanted, dry_run=dry_run)
        if files:
            return pypeit_files.run_pypeit_files(
                files, workers=workers, force=force, dry_run=dry_run, **limits
            )
        return run.reduce_folder(
            raw,
            output,
            spectrograph=spectrograph,
            setup=setup,
            config=config,
            force=force,
            dry_run=dry_run,
            **limits,
        )
