"""All .pypeit files below a folder, each run where it lies, so many at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb import compute, files, locks, settings
from kpfnb.adap.pypeit import installation, memory, pack, pypeitfile
from kpfnb.adap.pypeit.command import Limits
from kpfnb.adap.pypeit.pypeitfile import PypeItFile
from kpfnb.adap.pypeit.steps import Steps
from kpfnb.adap.reducing import frames, products, task, usefulwarnings, workplace
from kpfnb.adap.reducing.frames import RawFrame
from kpfnb.adap.reducing.products import SCIENCE, Verdict
from kpfnb.adap.reducing.reduced import FrameType, Reduction
from kpfnb.adap.reducing.reductions import Part, Reductions
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome

RECORD = ".run.json"
"""Ends the name of the record beside each .pypeit file, which begins as that does."""
OPTIONS = ("-o", "-m")
"""Make all anew: PypeIt would take up what a killed run left, or one with other parameters."""


@dataclass(frozen=True)
class _Job:
    path: Path
    name: str
    limits: Limits
    variables: dict[str, str]
    force: bool

    @property
    def record(self) -> Path:
        return self.path.with_name(self.path.stem + RECORD)


def run(
    root: str | Path,
    *,
    workers: int | None = None,
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> Reductions:
    """Run PypeIt on every .pypeit file below a folder; what became of each is in the result.

    A file whose products are whole and whose inputs have not changed is not run again. How many
    run at once is also a matter of memory: each is expected to take what its last run took.

    Parameters
    ----------
    workers : so many at a time; by default as the settings say
    silence_minutes, timeout_minutes : a run that writes nothing, or takes, so long is stopped
    force : run also where there is nothing to do

    Raises
    ------
    BadInput : no such folder, or no .pypeit file below it
    ServiceUnavailable : PypeIt is not installed
    """
    folder = task.expanded(root, "root")
    installation.command("run_pypeit")
    paths = sorted(folder.rglob("*.pypeit"))
    if not paths:
        what = "no .pypeit file below" if folder.is_dir() else "no folder"
        raise BadInput(f"{what} {folder}", "make them with kpfnb prepare, or pypeit_setup")
    if dry_run:
        told = f"{len(paths)} .pypeit files below {folder}"
        return Reductions((), f"dry run: would run PypeIt on {told}")
    limits = Limits(silence_minutes, timeout_minutes)
    variables = pack.environment(settings.load().work_dir)
    jobs = [_Job(path, _name(path, folder), limits, variables, force) for path in paths]
    done = compute.run(
        _run,
        jobs,
        key=lambda job: job.name,
        workers=workers,
        # Not to be tried here first: one takes minutes
        isolate=len(jobs) > 1 or None,
        title="PypeIt",
        progress=progress,
    )
    parts = (one.value or Part(one.key, Outcome.FAILED, one.error or "not reached") for one in done)
    return Reductions(tuple(parts))


def _name(path: Path, root: Path) -> str:
    """What people see of a file: PypeIt puts each into a folder of its name, which is enough."""
    below = path.relative_to(root)
    return str(below.parent if below.stem == below.parent.name else below)


def _run(job: _Job) -> Part:
    """Run PypeIt on one file, or find that there is nothing to do."""
    try:
        plan = pypeitfile.read(job.path)
    except BadInput as error:
        return Part(job.name, Outcome.FAILED, error.what)
    used = [frame for frame in plan.frames if frame.used]
    found = {frame.file: _raw(plan, frame.file) for frame in used}
    if wrong := _defect(plan, found):
        return Part(job.name, Outcome.FAILED, wrong)
    inputs = {
        "raw": ", ".join(map(str, plan.raw_paths)),
        "pypeit": installation.version(),
        "plan": hashlib.sha256(job.path.read_bytes()).hexdigest(),
        "frames": frames.stamps([RawFrame(path) for path in found.values() if path]),
    }
    lock = f"pypeit-{job.path.stem}-{hashlib.sha256(bytes(job.path)).hexdigest()[:8]}"
    with locks.hold(lock):
        with locks.hold(f"{lock}-processes", wait_seconds=task.DYING_SECONDS):
            old = files.read_json(job.record) if job.record.is_file() else None
        if old and not job.force and old["inputs"] == inputs:
            earlier = Reduction.from_dict(old, job.path.parent.parent)
            if earlier.is_still_whole():
                reason = f"nothing to do: {earlier.reason}, inputs unchanged"
                return Part(job.name, earlier.outcome, reason, (earlier,))
        made = _reduce(job, plan, inputs, old, locks.path(f"{lock}-processes"))
    return Part(job.name, made.outcome, made.reason, (made,))


def _reduce(
    job: _Job, plan: PypeItFile, inputs: dict[str, Any], old: dict[str, Any] | None, lock: Path
) -> Reduction:
    log = job.path.with_suffix(".log")
    began = datetime.now(UTC)
    # Until it is judged, there is no record that could be taken for that of these products
    job.record.unlink(missing_ok=True)
    with memory.reserve(_expected(job, old), name=job.name, folder=job.path.parent):
        # A second run must not be judged by the words of the first
        log.unlink(missing_ok=True)
        steps = Steps(job.limits, job.variables, lock, progress=False)
        arguments = [job.path.name, *OPTIONS]
        step = steps.run("run_pypeit", arguments, log, label=job.path.stem, timed=True)
    verdicts = [_fresh(one, plan, began.timestamp()) for one in products.judge(plan, step.failure)]
    made = Reduction(
        output=job.path.parent.parent,
        inputs=inputs,
        science=tuple(verdicts),
        types=tuple(FrameType.of([plan])),
        steps=(step,),
        problems=(f"{step.name}: {step.failure}",) if step.failure else (),
        started=began.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if log.is_file():
        usefulwarnings.write(log)
    files.write_json(job.record, made.to_dict())
    return made


def _fresh(verdict: Verdict, plan: PypeItFile, began: float) -> Verdict:
    """The verdict; products of an earlier run do not count."""
    folder = plan.path.parent / SCIENCE
    names = [name for name in (verdict.spec1d, verdict.spec2d) if name]
    # Times of files are coarse
    old = [name for name in names if (folder / name).stat().st_mtime < began - 1]
    return replace(verdict, reason=f"{old[0]} is of an earlier run") if old else verdict


def _defect(plan: PypeItFile, found: dict[str, Path | None]) -> str:
    """Why it is of no use to run it; '' where it is of use."""
    if lacking := plan.lacking:
        return f"no {' and no '.join(lacking)} frame"
    if not plan.targets:
        return "no science or standard frame"
    gone = [file for file, path in found.items() if path is None]
    return f"not there: {', '.join(gone)}" if gone else ""


def _raw(plan: PypeItFile, file: str) -> Path | None:
    paths = (folder / file for folder in (*plan.raw_paths, plan.path.parent))
    return next((path for path in paths if path.is_file()), None)


def _expected(job: _Job, old: dict[str, Any] | None) -> int:
    dataset = job.path.parents[1] / workplace.RECORD
    return memory.expected_bytes(old or (files.read_json(dataset) if dataset.is_file() else None))
