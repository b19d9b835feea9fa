"""Run a pipeline of notebooks on Dask, and resume it.

Dask starts each step as soon as all that it needs has ended, some steps at once. They run in
threads of this process, so that all their kernels come from one fork server.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Protocol

from kpfnb import locks, log, notebooks, pipelinerecord, runs, settings
from kpfnb.errors import BadSettings, KpfnbError
from kpfnb.outcomes import Outcome
from kpfnb.pipelineplan import Plan, States, decide, pause_seconds
from kpfnb.pipelinerecord import Journal, PipelineRun
from kpfnb.pipelinestate import Phase, StepState
from kpfnb.verdict import REFUSALS

JOBS = 2

logger = logging.getLogger(__name__)


class RunStep(Protocol):
    """Runs one notebook; when `stop` is set it ends soon."""

    def __call__(
        self,
        name: str,
        given: Mapping[str, Any],
        *,
        parent: str,
        timeout_seconds: float | None,
        stop: threading.Event,
    ) -> runs.Record:
        """Its record, however it ended."""


def run_notebook(
    name: str,
    given: Mapping[str, Any],
    *,
    parent: str,
    timeout_seconds: float | None,
    stop: threading.Event,
) -> runs.Record:
    """Run one notebook by `notebooks.run`."""

    def before_cell(line: str) -> None:
        # `stop_all` came while the notebook was not yet there to be stopped
        if stop.is_set():
            notebooks.stop_all()

    return notebooks.run(
        name, given, parent=parent, timeout_seconds=timeout_seconds, echo=before_cell
    )


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
    return pipelinerecord.latest(plan, settings.load().runs_dir)


def foresee(plan: Plan, earlier: PipelineRun | None) -> dict[str, StepState]:
    """The steps in running order, those settled that an earlier run settles."""
    states = plan.waiting()
    if earlier is None:
        return states
    for name, state in states.items():
        if all(states[need].is_settled for need in state.needs):
            results = pipelinerecord.results(states, earlier.runs_dir)
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
    return pipelinerecord.folder_name(plan.pipeline.lock or plan.pipeline.name)


def _run(
    plan: Plan,
    earlier: PipelineRun | None,
    states: dict[str, StepState],
    jobs: int,
    notify: Callable[[StepState], object],
    run_step: RunStep,
) -> PipelineRun:
    if earlier and earlier.outcome is Outcome.CRASHED:
        # Its page still says that it runs
        pipelinerecord.write_page(plan, earlier)
    journal = Journal(plan, pipelinerecord.begin(plan, states, earlier), notify)
    for state in states.values():
        if state.is_settled:
            notify(state)
    stop = _Stop()
    ended = runs.keep_alive(journal.run.record)
    handler = log.attach(journal.run.record.directory / runs.LOG_NAME)
    try:
        with stop.on_signals():
            before = earlier.with_result() if earlier else {}
            _Execution(plan, journal, before, run_step, stop.event).run(jobs)
    finally:
        stop.event.set()
        ended.set()
        log.detach(handler)
    return journal.finish(stop.reason)


class _Execution:
    """The steps of one run, as tasks of a Dask graph."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        earlier: States,
        run_step: RunStep,
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._earlier = earlier
        self._run_step = run_step
        self._stop = stop

    def run(self, jobs: int) -> None:
        """Run all steps that are not settled, each after what it needs."""
        import dask

        tasks: dict[str, Any] = {}
        for name, state in self._journal.run.states.items():
            needs = [tasks[need] for need in state.needs]
            task = dask.delayed(self._step, pure=False)
            tasks[name] = task(name, needs, dask_key_name=name)
        dask.compute(*tasks.values(), scheduler="threads", num_workers=jobs, optimize_graph=False)

    def _step(self, name: str, needs: list[None]) -> None:
        """One step from its decision to its end; `needs` only tells Dask what comes before."""
        run = self._journal.run
        if run.states[name].is_settled:
            return
        if self._stop.is_set():
            state = run.states[name].blocked(Outcome.SKIPPED, "the pipeline was stopped")
        else:
            state = decide(self._plan, name, run.states, run.results(), self._earlier)
        self._journal.set(state if state.is_settled else self._attempts(state))

    def _attempts(self, state: StepState) -> StepState:
        step = self._plan.step(state.name)
        began = time.monotonic()
        state = replace(state, started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        while True:
            state = self._attempt(replace(state, attempts=state.attempts + 1))
            state = replace(state, seconds=round(time.monotonic() - began, 3))
            pause = pause_seconds(step, state)
            if pause is None or self._stop.is_set():
                return state
            waits = f"{state.outcome}: {state.reason}; next attempt in {pause:g} s"
            self._journal.set(replace(state, phase=Phase.RUNNING, reason=waits))
            if self._stop.wait(pause):
                return state

    def _attempt(self, state: StepState) -> StepState:
        self._journal.set(replace(state, phase=Phase.RUNNING, outcome=None, reason=""))
        try:
            record = self._run_step(
                state.notebook,
                state.parameters,
                parent=self._journal.run.record.id,
                timeout_seconds=self._plan.step(state.name).timeout_seconds,
                stop=self._stop,
            )
        except KpfnbError as error:
            outcome = REFUSALS.get(type(error).__name__, Outcome.FAILED)
            return replace(state, phase=Phase.RAN, outcome=outcome, reason=error.what)
        except Exception as error:
            # the border of a step: the others go on, and its state tells
            logger.exception("step %s", state.name)
            reason = f"{type(error).__name__}: {error}"
            return replace(state, phase=Phase.RAN, outcome=Outcome.FAILED, reason=reason)
        return replace(
            state,
            phase=Phase.RAN,
            outcome=record.outcome,
            reason=record.reason,
            run=record.directory.relative_to(self._journal.run.runs_dir).as_posix(),
        )


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
