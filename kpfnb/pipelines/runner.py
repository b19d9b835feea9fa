"""Run a pipeline of notebooks on Dask, and resume it.

Dask starts each step as soon as all that it needs has ended, some steps at once. They run in
threads of this process, so that all their kernels come from one fork server.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from kpfnb import locks, log, notebooks, runs, settings
from kpfnb.errors import BadSettings
from kpfnb.outcomes import Outcome
from kpfnb.pipelines import journal
from kpfnb.pipelines.execution import Execution, RunStep, run_notebook
from kpfnb.pipelines.journal import Journal, PipelineRun
from kpfnb.pipelines.planning import Plan, States, decide
from kpfnb.pipelines.steps import Phase, StepState

JOBS = 2


def run(
    plan: Plan,
    *,
    jobs: int = JOBS,
    resume: bool = False,
    wait_seconds: float = 0,
    notify: Callable[[StepState], object] = lambda state: None,
    run_step: RunStep = run_notebook,
) -> PipelineRun:
    """Run a pipeline, at most `jobs` steps at once; `notify` is told of each change of a step.

    With `resume` the last run with the same parameters is continued: its steps that succeeded
    with the same inputs are taken over. Where that is all of them, nothing is run, and that run
    is given back. Data outside of the results are not looked at then; without `resume` they are.

    Raises
    ------
    Busy : a pipeline with the same lock is running, and still is after `wait_seconds`
    BadSettings : the work directory can't be written
    """
    with locks.hold(lock_name(plan), wait_seconds=wait_seconds):
        earlier = find_earlier(plan) if resume else None
        states = foresee(plan, earlier)
        if earlier and is_nothing_to_do(earlier, states):
            return replace(earlier, states=states, nothing_to_do=True)
        try:
            return _run(plan, earlier, states, jobs, notify, run_step)
        except OSError as error:
            raise BadSettings(
                f"can't write the pipeline's record: {error}",
                "make room in the work directory, then continue with --resume",
            ) from error


def find_earlier(plan: Plan) -> PipelineRun | None:
    """The run that a resumed one continues: the last one with the same parameters."""
    return journal.latest(plan, settings.load().runs_dir)


def foresee(plan: Plan, earlier: PipelineRun | None) -> dict[str, StepState]:
    """The steps in running order, those settled that an earlier run settles."""
    states = plan.waiting()
    if earlier is None:
        return states
    for name, state in states.items():
        if all(states[need].is_settled for need in state.needs):
            results = journal.results(states, earlier.runs_dir)
            decided = decide(plan, name, states, results, earlier.with_result())
            # what is blocked now may not be later: it is decided in its turn
            states[name] = state if decided.phase is Phase.BLOCKED else decided
    return states


def is_nothing_to_do(earlier: PipelineRun, states: States) -> bool:
    """True where the earlier run succeeded, and a new one would do nothing."""
    settled = all(state.is_settled for state in states.values())
    return settled and earlier.outcome is Outcome.SUCCEEDED


def lock_name(plan: Plan) -> str:
    """The lock that a pipeline holds while it runs."""
    return journal.folder_name(plan.pipeline.lock or plan.pipeline.name)


def _run(
    plan: Plan,
    earlier: PipelineRun | None,
    states: dict[str, StepState],
    jobs: int,
    notify: Callable[[StepState], object],
    run_step: RunStep,
) -> PipelineRun:
    zone = settings.load().zone
    if earlier and earlier.outcome is Outcome.CRASHED:
        # Its page still says that it runs
        journal.write_page(plan, earlier, zone)
    running = Journal(plan, journal.begin(plan, states, earlier), notify, zone)
    for state in states.values():
        if state.is_settled:
            notify(state)
    stop = _Stop()
    ended = runs.keep_alive(running.run.record)
    handler = log.attach(running.run.record.directory / runs.LOG_NAME)
    try:
        with stop.on_signals():
            before = earlier.with_result() if earlier else {}
            Execution(plan, running, before, run_step, stop.event).run(jobs)
    finally:
        stop.event.set()
        ended.set()
        log.detach(handler)
    return running.finish(stop.reason)


class _Stop:
    """Running steps are stopped, no other is started, and all of it is recorded."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reason = ""

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to Ctrl-C, a kill and a closed terminal; the second signal kills the kernels."""
        before = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # One that is ignored (nohup, a job in the background) stays ignored
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self._stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.reason = notebooks.STOPPED
        self.event.set()
        notebooks.stop_all()
