"""What the notebook `reduce` does: reduce a folder, a dataset, .pypeit files or a queue.

While PypeIt runs on this machine, it shows the current step, memory and the end of the log.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpfnb.adap.products import reduction
from kpfnb.adap.products.dataset import COMPLETE, is_reduction_folder, select_dataset_names
from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.pypeit import memory, useful_warnings
from kpfnb.adap.pypeit.log import current_step, parse_log, read_log_tail
from kpfnb.adap.pypeit.memory import MemoryReservation
from kpfnb.adap.reduce import dataset_pipeline, job, pypeit_files, run
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core import atomic, progress
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.core.text import format_count, format_duration
from kpfnb.queue import notebook_actions
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItem, QueueItemStatus

REFRESH_SECONDS = 2.0
LOG_LINES = 3
SILENT_SECONDS = 120
"""PypeIt is seldom silent for longer."""

# A fixed height, whatever the log says: the page below must not move while it is read
_LOG_STYLE = (
    f"margin: 2px 0 0; height: {1.4 * LOG_LINES:.1f}em; line-height: 1.4; font-size: 0.85em; "
    "overflow: hidden; white-space: pre; text-overflow: ellipsis"
)
_RUN_STYLE = "border-left: 4px solid #0072B2; padding: 0 0 0 10px; margin: 0 0 12px"


@contextmanager
def show_live_status() -> Iterator[None]:
    """Show in JupyterLab what is running during the block; elsewhere do nothing."""
    if not progress.in_notebook():
        yield
        return
    stop = threading.Event()
    with progress.live_html() as show:

        def refresh() -> None:
            while not stop.wait(REFRESH_SECONDS):
                try:
                    show(render_runs(memory.list_reservations(), time.time()))
                except (KpfnbError, OSError):
                    # A display only: the reduction itself reports what is wrong
                    continue

        show(render_runs((), time.time()))
        watcher = threading.Thread(target=refresh, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()


def render_runs(runs: Sequence[MemoryReservation], now: float) -> str:
    """What is running as HTML, all text escaped; the longest run first."""
    if not runs:
        return "<p>PypeIt is not running</p>"
    ordered = sorted(runs, key=lambda run: (run.since, run.name))
    return "".join(_render_run(run, now) for run in ordered)


def _render_run(run: MemoryReservation, now: float) -> str:
    log = _latest_log(Path(run.folder))
    facts = [f"{run.used / memory.GB:.2f} GB of memory ({run.reserved / memory.GB:.2f} expected)"]
    if run.since:
        facts.append(f"running for {format_duration(now - run.since)}")
    if count := _count_spec2d(Path(run.folder), run.since):
        facts.append(f"{format_count(count, 'frame')} done")
    silent = now - log.stat().st_mtime if log else 0
    if silent > SILENT_SECONDS:
        facts.append(f"<b>▲ log silent for {format_duration(silent)}</b>")
    messages = map(_format_line, read_log_tail(log)) if log else ()
    # Without the lines that only frame PypeIt's tables
    lines = [line for line in messages if any(map(str.isalnum, line))][-LOG_LINES:]
    step = current_step(log) if log else "starting"
    return (
        f"<div style='{_RUN_STYLE}'><div><b>{html.escape(run.name)}</b> · {html.escape(step)}</div>"
        f"<div style='line-height: 1.4'><small>{' · '.join(facts)}</small></div>"
        f"<pre style='{_LOG_STYLE}'>{html.escape(chr(10).join(lines))}</pre></div>"
    )


def _format_line(line: str) -> str:
    """The message of a log line, without its time and place in the code."""
    entries = parse_log([line]).entries
    if not entries:
        return line.strip()
    level, text = entries[0].level, entries[0].text.strip()
    return text if level == "INFO" else f"{level}: {text}"


def _count_spec2d(folder: Path, since: float) -> int:
    """The number of frames that have a spec2d from this run."""
    patterns = (f"{top}{SCIENCE_FOLDER}/spec2d_*.fits" for top in ("", "*/"))
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    return sum(path.stat().st_mtime >= since for path in paths)


def _latest_log(folder: Path) -> Path | None:
    """The most recently written log in the folder or one level below it."""
    paths = [path for pattern in ("*.log", "*/*.log") for path in folder.glob(pattern)]
    logs = [path for path in paths if not path.name.endswith(useful_warnings.SUFFIX)]
    return max(logs, key=lambda path: path.stat().st_mtime_ns) if logs else None


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
    with show_live_status():
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
