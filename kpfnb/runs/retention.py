"""Old runs are removed, by one policy.

- A run that goes on stays, and so does one that ended less than `keep` ago.
- One that failed, crashed or was partial stays four times as long: it is the one that somebody asks
  about, and it is never removed before a good one that is as old.
- The last run of each notebook stays, and its last good one, whatever their age.
- What the page of a pipeline that stays leads to stays, and so do the runs of its steps.

A run's directory goes out of sight in one step and is then removed; a prune that was killed is
ended by the next one. The pages are brought up to date last, from what is there.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, locks, progress, settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.runs import site, store
from kpfnb.runs.record import RunRecord, discard_run

BAD_OUTCOMES = (Outcome.FAILED, Outcome.PARTIAL, Outcome.CRASHED)
BAD_RUN_FACTOR = 4
"""Bad runs stay so many times as long."""

LEFTOVER_SECONDS = 3600
"""What is out of sight for so long belongs to nobody that is alive."""

_UNITS = {"d": 1, "w": 7, "y": 365}

References = Callable[[Path], Iterable[str]]
"""The run directories (below the runs directory) that the page of a run's directory leads to."""


@dataclass(frozen=True, repr=False)
class PruneResult(OneLineRepr):
    """What was removed, or would be. Order: good runs first, the oldest first."""

    removed: tuple[RunRecord, ...]
    failed: dict[str, str]
    kept: int
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Good where all that was to go is gone."""
        gone = [Outcome.SUCCEEDED] * len(self.removed)
        return merge_outcomes([*gone, *(Outcome.FAILED for _ in self.failed)])

    @property
    def reason(self) -> str:
        """One line."""
        words = Counter(str(one.outcome) for one in self.removed)
        told = ", ".join(f"{number} {word}" for word, number in words.items())
        verb = "would be removed" if self.dry_run else "removed"
        failed = f"; {len(self.failed)} could not be" if self.failed else ""
        return f"{len(self.removed)} runs {verb}{told and f' ({told})'}, {self.kept} stay{failed}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "removed": [str(one.directory) for one in self.removed],
            "failed": self.failed,
            "kept": self.kept,
            "dry_run": self.dry_run,
        }

    def __str__(self) -> str:
        lines = [f"  {one.started}  {one.notebook} {one.id}  {one.outcome}" for one in self.removed]
        failed = [f"  can't remove {name}: {why}" for name, why in self.failed.items()]
        return "\n".join([self.reason, *lines, *failed])


def prune_runs(
    keep: str, *, runs_dir: Path | None = None, references: References, dry_run: bool = False
) -> PruneResult:
    """Remove old runs by the policy of this module.

    Parameters
    ----------
    keep : how long good runs stay: 90d, 12w or 1y
    references : tells what the page of a pipeline leads to

    Raises
    ------
    InvalidParameterError : no such time span
    AlreadyRunningError : another prune is at work
    """
    span = _parse_span(keep)
    where = runs_dir or settings.load_settings().runs_dir
    with locks.acquire_lock("runs-prune"):
        records = list(store.current_records(store.list_directories(where)))
        chosen = choose_runs(records, where, span, datetime.now(UTC), references)
        failed: dict[str, str] = {}
        if not dry_run:
            failed = _remove_runs(chosen)
            _remove_leftovers(where)
            site.rebuild_stale(where)
        removed = tuple(one for one in chosen if str(one.directory) not in failed)
    return PruneResult(removed, failed, len(records) - len(removed), dry_run)


def choose_runs(
    records: list[RunRecord], runs_dir: Path, keep: timedelta, now: datetime, references: References
) -> list[RunRecord]:
    """The runs to remove, in the order in which they go; `records` newest first."""
    old = {one.directory: one for one in records if _is_old(one, keep, now)}
    for last in (
        *_latest_runs(records),
        *_latest_runs(one for one in records if one.outcome not in BAD_OUTCOMES),
    ):
        old.pop(last.directory, None)
    _keep_related(old, records, runs_dir, references)
    return sorted(old.values(), key=lambda one: (one.outcome in BAD_OUTCOMES, one.directory.name))


def _is_old(one: RunRecord, keep: timedelta, now: datetime) -> bool:
    if one.outcome is None:
        return False
    ended = datetime.fromisoformat(one.finished or one.started)
    return now - ended > keep * (BAD_RUN_FACTOR if one.outcome in BAD_OUTCOMES else 1)


def _latest_runs(records: Iterable[RunRecord]) -> Iterable[RunRecord]:
    """The newest of each notebook that has ended."""
    found: dict[str, RunRecord] = {}
    for one in records:
        if one.outcome is not None:
            found.setdefault(one.notebook, one)
    return found.values()


def _keep_related(
    old: dict[Path, RunRecord], records: list[RunRecord], runs_dir: Path, references: References
) -> None:
    """Take out of `old` what belongs to runs that stay, and what belongs to those in turn."""
    children: dict[str, list[Path]] = {}
    for one in records:
        if one.parent:
            children.setdefault(one.parent, []).append(one.directory)
    stay = [one for one in records if one.directory not in old]
    while stay:
        one = stay.pop()
        led = [runs_dir / name for name in references(one.directory)]
        stay += [old.pop(path) for path in (*led, *children.get(one.id, ())) if path in old]


def _remove_runs(chosen: list[RunRecord]) -> dict[str, str]:
    failed: dict[str, str] = {}
    with progress.show_progress(len(chosen), "removing old runs", shown=bool(chosen)) as bar:
        for number, one in enumerate(chosen, start=1):
            try:
                discard_run(one)
            except OSError as error:
                failed[str(one.directory)] = f"{error.strerror}"
                bar.report_failure(one.directory.name, f"{error.strerror}")
            bar.update(done=number, failed=len(failed), note=one.directory.name)
    return failed


def _remove_leftovers(runs_dir: Path) -> None:
    """Remove what a killed prune has left out of sight."""
    for path in runs_dir.glob(f"*/{atomic.TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if path.is_dir() and time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _parse_span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dwy])", text.strip())
    if not match or not int(match[1]):
        raise InvalidParameterError(
            f"--keep {text!r} is no time span", "write it as 90d, 12w or 1y"
        )
    return timedelta(days=int(match[1]) * _UNITS[match[2]])
