"""The policy by which old runs are removed.

- A run that has not ended stays, and so does one that ended less than `keep` ago.
- A run that failed, crashed or was partial stays four times as long: people ask about it.
  It is never removed before a good one of the same age.
- The last run of each notebook stays, and its last good one, whatever their age.
- Runs that the page of a remaining pipeline links to stay, and so do the runs of its steps.

The directory of a run is hidden in one step and then deleted; the next prune completes one that was
killed. The pages are updated at the end, from what is on disk.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, locks, progress, settings
from kpfnb.core.clock import utc_now
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_count
from kpfnb.runs import site, store
from kpfnb.runs.record import RunRecord, discard_run

BAD_OUTCOMES = (Outcome.FAILED, Outcome.PARTIAL, Outcome.CRASHED)
BAD_RUN_FACTOR = 4
"""Bad runs stay this many times as long."""

HIDDEN_SECONDS = 3600
"""A directory that is hidden for this time belongs to no running process."""

_UNITS = {"d": 1, "w": 7, "y": 365}

References = Callable[[Path], Iterable[str]]
"""Returns the run directories (in the runs directory) that the page of a run links to."""


@dataclass(frozen=True, repr=False)
class PruneResult(OneLineRepr):
    """The runs that were removed, or would be: good ones first, the oldest first."""

    removed: tuple[RunRecord, ...]
    failed: dict[str, str]
    kept: int
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Succeeded if all selected runs are removed."""
        removed = [Outcome.SUCCEEDED] * len(self.removed)
        return merge_outcomes([*removed, *(Outcome.FAILED for _ in self.failed)])

    @property
    def reason(self) -> str:
        """Numbers of removed, remaining and failed runs."""
        counts = Counter(str(record.outcome) for record in self.removed)
        outcomes = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        verb = "would be removed" if self.dry_run else "removed"
        failed = f"; {len(self.failed)} could not be removed" if self.failed else ""
        return (
            f"{format_count(len(self.removed), 'run')} {verb}{outcomes and f' ({outcomes})'},"
            f" {self.kept} kept{failed}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "removed": [str(record.directory) for record in self.removed],
            "failed": self.failed,
            "kept": self.kept,
            "dry_run": self.dry_run,
        }

    def __str__(self) -> str:
        lines = [f"  {run.started}  {run.notebook} {run.id}  {run.outcome}" for run in self.removed]
        failed = [f"  can't remove {name}: {why}" for name, why in self.failed.items()]
        return "\n".join([self.reason, *lines, *failed])


def prune_runs(
    keep: str, *, runs_dir: Path | None = None, references: References, dry_run: bool = False
) -> PruneResult:
    """Remove old runs by the policy of this module.

    Parameters
    ----------
    keep : how long good runs stay: 90d, 12w or 1y
    references : returns the runs that the page of a pipeline links to

    Raises
    ------
    InvalidParameterError : `keep` is not a valid time span
    AlreadyRunningError : another prune is running
    """
    span = _parse_span(keep)
    runs_dir = runs_dir or settings.load_settings().runs_dir
    with locks.acquire_lock("runs-prune"):
        records = list(store.current_records(store.list_directories(runs_dir)))
        old_runs = choose_runs(records, runs_dir, span, utc_now(), references)
        failed: dict[str, str] = {}
        if not dry_run:
            failed = _remove_runs(old_runs)
            _remove_hidden_directories(runs_dir)
            site.rebuild_stale(runs_dir)
        removed = tuple(record for record in old_runs if str(record.directory) not in failed)
    return PruneResult(removed, failed, len(records) - len(removed), dry_run)


def choose_runs(
    records: list[RunRecord], runs_dir: Path, keep: timedelta, now: datetime, references: References
) -> list[RunRecord]:
    """The runs to remove, in the order of their removal; `records` are newest first."""
    old = {record.directory: record for record in records if _is_old(record, keep, now)}
    for last in (
        *_latest_runs(records),
        *_latest_runs(record for record in records if record.outcome not in BAD_OUTCOMES),
    ):
        old.pop(last.directory, None)
    _keep_related(old, records, runs_dir, references)
    return sorted(
        old.values(), key=lambda record: (record.outcome in BAD_OUTCOMES, record.directory.name)
    )


def _is_old(record: RunRecord, keep: timedelta, now: datetime) -> bool:
    if record.outcome is None:
        return False
    end = datetime.fromisoformat(record.finished or record.started)
    return now - end > keep * (BAD_RUN_FACTOR if record.outcome in BAD_OUTCOMES else 1)


def _latest_runs(records: Iterable[RunRecord]) -> Iterable[RunRecord]:
    """The newest run of each notebook that has ended."""
    latest: dict[str, RunRecord] = {}
    for record in records:
        if record.outcome is not None:
            latest.setdefault(record.notebook, record)
    return latest.values()


def _keep_related(
    old: dict[Path, RunRecord], records: list[RunRecord], runs_dir: Path, references: References
) -> None:
    """Remove from `old` the runs that belong to runs that stay, and those that belong to them."""
    children: dict[str, list[Path]] = {}
    for record in records:
        if record.parent:
            children.setdefault(record.parent, []).append(record.directory)
    remaining = [record for record in records if record.directory not in old]
    while remaining:
        record = remaining.pop()
        linked_directories = [runs_dir / name for name in references(record.directory)]
        related_directories = (*linked_directories, *children.get(record.id, ()))
        remaining += [old.pop(path) for path in related_directories if path in old]


def _remove_runs(old_runs: list[RunRecord]) -> dict[str, str]:
    failed: dict[str, str] = {}
    with progress.show_progress(len(old_runs), "removing old runs", shown=bool(old_runs)) as bar:
        for number, record in enumerate(old_runs, start=1):
            try:
                discard_run(record)
            except OSError as error:
                failed[str(record.directory)] = f"{error.strerror}"
                bar.report_failure(record.directory.name, f"{error.strerror}")
            bar.update(done=number, failed=len(failed), note=record.directory.name)
    return failed


def _remove_hidden_directories(runs_dir: Path) -> None:
    """Delete hidden directories that a killed prune has left behind."""
    for path in runs_dir.glob(f"*/{atomic.TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if path.is_dir() and time.time() - path.stat().st_mtime > HIDDEN_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _parse_span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dwy])", text.strip())
    if not match or not int(match[1]):
        raise InvalidParameterError(
            f"--keep {text!r} is not a valid time span", "write it as 90d, 12w or 1y"
        )
    return timedelta(days=int(match[1]) * _UNITS[match[2]])
