"""One dataset from its raw frames on the remote to its results there, with or without a queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from kpfnb import locks, log
from kpfnb.adap import dataset, profile
from kpfnb.adap.pypeit import installation
from kpfnb.adap.reducing import stages, task
from kpfnb.adap.reducing.reductions import Part, Reductions, StageDone
from kpfnb.adap.reducing.stages import Stage
from kpfnb.adap.reducing.work import Order, Work
from kpfnb.errors import BadInput, KpfnbError
from kpfnb.outcomes import Outcome
from kpfnb.workqueue.lease import Lease

_log = logging.getLogger(__name__)

NOTE_SECONDS = 5.0
"""What is being done is told so often within a stage."""


def order(
    spectrograph: str | Path,
    *,
    source: str = Order.source,
    backup: str = Order.backup,
    custom: str = "",
    exclude: str = "",
    sheet: bool = True,
    keep: bool = False,
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    force: bool = False,
) -> Order:
    """The checked order; see `work.Order`.

    Parameters
    ----------
    spectrograph : a profile's name, or the path of a profile's file

    Raises
    ------
    BadInput, BadParameter : no such profile or spectrograph
    ServiceUnavailable : PypeIt is not installed
    """
    found = profile.load(spectrograph)
    installation.check_spectrograph(found.spectrograph)
    for what, name in (("custom", custom), ("exclude", exclude)):
        if name and not Path(name).expanduser().exists():
            raise BadInput(f"{what}: {name} does not exist", "check the name")
    return Order(
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


def run(
    name: str,
    wanted: Order,
    *,
    lease: Lease | None = None,
    dry_run: bool = False,
    progress: bool = True,
) -> Reductions:
    """Reduce one dataset and publish its results; stopped anywhere, it goes on where it was.

    It has succeeded when every frame of every reduction file is reduced and all is published;
    it is done in part where only the backup or another thing beside the results failed.

    Parameters
    ----------
    name : mask/config/date
    lease : the right to publish; by default nobody else is asked

    Raises
    ------
    BadInput : no such dataset, nothing of it can be reduced, or it would be reduced where it is
    StorageError : it can't be brought here, or its results can't be published; they are kept here
    LeaseLost : another worker has it by now
    Busy : another process here is at work on it
    """
    name = str(dataset.parse(name))
    wanted.check_places(name)
    if dry_run:
        return _dry_run(name, wanted)
    held = lease or Lease("", name, 0, 1, lambda: True)
    with locks.hold(f"dataset-{name}", wait_seconds=task.DYING_SECONDS):
        return _do(Work(name, wanted, held, held.note, progress))


def _do(work: Work) -> Reductions:
    done = []
    for stage in stages.STAGES:
        done.append(_stage(stage, work))
        _log.info("%s: %s: %s", work.name, stage.name, done[-1].failure or done[-1].detail)
    failed = [one for one in work.reductions if one.outcome is not Outcome.SUCCEEDED]
    wrong = [f"{one.name}: {one.failure}" for one in done if one.failure]
    outcome = Outcome.FAILED if failed else Outcome.PARTIAL if wrong else Outcome.SUCCEEDED
    reasons = [one.reason for one in failed or work.reductions]
    reason = "; ".join([*reasons, *wrong])
    part = Part(work.name, outcome, reason, tuple(work.reductions), tuple(done))
    return Reductions(
        (part,), is_final=not any(step.may_pass for one in failed for step in one.steps)
    )


def _stage(stage: Stage, work: Work) -> StageDone:
    began = time.monotonic()
    work.lease.note(stage.name)
    work.tell = _seldom(lambda text: work.lease.note(f"{stage.name}: {text}"))
    detail = failure = ""
    try:
        detail = stage.do(work)
    except KpfnbError as error:
        if stage.vital:
            raise
        failure = log.redact(error.what)
    return StageDone(stage.name, time.monotonic() - began, detail, failure)


def _seldom(tell: Callable[[str], None]) -> Callable[[str], None]:
    """The same, but not more often than every few seconds."""
    last = time.monotonic()

    def told(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= NOTE_SECONDS:
            last = now
            tell(text)

    return told


def _dry_run(name: str, wanted: Order) -> Reductions:
    raw = Work(name, wanted, Lease("", name, 0, 1, lambda: True), print).remote / dataset.RAW
    if raw.kind() != "folder":
        raise BadInput(f"no raw frames in {raw}", "check the dataset's name")
    names = ", ".join(stage.name for stage in stages.STAGES)
    note = f"dry run: {name}: {len(raw.list())} raw frames in {raw}; would do: {names}"
    return Reductions((), note)
