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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Protocol

from kpfnb import runs
from kpfnb.core import locks, logs, settings
from kpfnb.core.errors import InvalidSettingsError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.notebook import runner
from kpfnb.pipelines import run_record
from kpfnb.pipelines.plan import PipelinePlan, StepStates, next_state, retry_delay
from kpfnb.pipelines.run_record import PipelineJournal, PipelineRun
from kpfnb.pipelines.step_state import StepPhase, StepState
from kpfnb.runs.classification import OUTCOME_BY_ERROR

# The steps of one run of a pipeline, as tasks of a Dask graph.

ABORTED_REASON = "stopped: the pipeline could not go on"

logger = logging.getLogger(__name__)


class StepRunner(Protocol):
    """Runs one notebook; when `stop` is set it ends soon."""

    def __call__(
        self,
        name: str,
        given: Mapping[str, Any],
        *,
        parent: str,
        timeout_seconds: float | None,
        stop: threading.Event,
    ) -> runs.RunRecord:
        """Its record, however it ended."""


def run_step_notebook(
    name: str,
    given: Mapping[str, Any],
    *,
    parent: str,
    timeout_seconds: float | None,
    stop: threading.Event,
) -> runs.RunRecord:
    """Run one notebook by `notebooks.run`."""

    def before_cell(line: str) -> None:
        # `stop_all` came while the notebook was not yet there to be stopped
        if stop.is_set():
            runner.stop_all_notebooks()

    return runner.run_notebook(
        name, given, parent=parent, timeout_seconds=timeout_seconds, echo=before_cell
    )


class PipelineExecution:
    """Runs the steps; each change of one goes to the journal. When `stop` is set it ends soon."""

    def __init__(
        self,
        plan: PipelinePlan,
        journal: PipelineJournal,
        earlier: StepStates,
        run_step: StepRunner,
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
            task = dask.delayed(self._settle_step, pure=False)
            tasks[name] = task(name, needs, dask_key_name=name)
        # At its end the pool waits for the steps that run: nobody else may begin before
        with ThreadPoolExecutor(jobs) as pool:
            try:
                dask.compute(*tasks.values(), scheduler="threads", pool=pool, optimize_graph=False)
            except BaseException:
                self._stop.set()
                runner.stop_all_notebooks(ABORTED_REASON)
                raise

    def _settle_step(self, name: str, needs: list[None]) -> None:
        """One step from its decision to its end; `needs` only tells Dask what comes before."""
        run = self._journal.run
        if run.states[name].is_settled:
            return
        if self._stop.is_set():
            state = run.states[name].blocked(Outcome.SKIPPED, "the pipeline was stopped")
        else:
            state = next_state(self._plan, name, run.states, run.load_results(), self._earlier)
        self._journal.set_state(state if state.is_settled else self._run_with_retries(state))

    def _run_with_retries(self, state: StepState) -> StepState:
        step = self._plan.step(state.name)
        began = time.monotonic()
        state = replace(state, started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        while True:
            state = self._run_attempt(replace(state, attempts=state.attempts + 1))
            state = replace(state, seconds=round(time.monotonic() - began, 3))
            pause = retry_delay(step, state)
            if pause is None or self._stop.is_set():
                return state
            waits = f"{state.outcome}: {state.reason}; next attempt in {pause:g} s"
            self._journal.set_state(replace(state, phase=StepPhase.RUNNING, reason=waits))
            if self._stop.wait(pause):
                return state

    def _run_attempt(self, state: StepState) -> StepState:
        self._journal.set_state(replace(state, phase=StepPhase.RUNNING, outcome=None, reason=""))
        try:
            record = self._run_step(
                state.notebook,
                state.parameters,
                parent=self._journal.run.record.id,
                timeout_seconds=self._plan.step(state.name).timeout_seconds,
                stop=self._stop,
            )
        except KpfnbError as error:
            outcome = OUTCOME_BY_ERROR.get(type(error).__name__, Outcome.FAILED)
            return replace(state, phase=StepPhase.RAN, outcome=outcome, reason=error.what)
        except Exception as error:
            # the border of a step: the others go on, and its state tells
            logger.exception("step %s", state.name)
            reason = f"{type(error).__name__}: {error}"
            return replace(state, phase=StepPhase.RAN, outcome=Outcome.FAILED, reason=reason)
        return self._record_outcome(state, record)

    def _record_outcome(self, state: StepState, record: runs.RunRecord) -> StepState:
        state = replace(state, phase=StepPhase.RAN, outcome=record.outcome, reason=record.reason)
        ours = self._journal.run.runs_dir
        if not record.directory.is_relative_to(ours):
            # Somebody changed the settings: no later step would find its result
            reason = f"its run is kept in {record.directory}, not in {ours}"
            return replace(state, outcome=Outcome.FAILED, reason=reason)
        return replace(state, run=record.directory.relative_to(ours).as_posix())


DEFAULT_JOBS = 2


def run_pipeline(
    plan: PipelinePlan,
    *,
    jobs: int = DEFAULT_JOBS,
    resume: bool = False,
    wait_seconds: float = 0,
    notify: Callable[[StepState], object] = lambda state: None,
    run_step: StepRunner = run_step_notebook,
) -> PipelineRun:
    """Run a pipeline, at most `jobs` steps at once; `notify` is told of each change of a step.

    With `resume` the last run with the same parameters is continued: its steps that succeeded
    with the same inputs are taken over. Where that is all of them, nothing is run, and that run
    is given back. Data outside of the results are not looked at then; without `resume` they are.

    Raises
    ------
    AlreadyRunningError : a pipeline with the same lock is running, and still is after `wait_seconds`
    InvalidSettingsError : the work directory can't be written
    """
    with locks.acquire_lock(pipeline_lock_name(plan), wait_seconds=wait_seconds):
        earlier = find_resumable(plan) if resume else None
        states = preview_steps(plan, earlier)
        if earlier and is_nothing_to_do(earlier, states):
            return replace(earlier, states=states, nothing_to_do=True)
        try:
            return _run_steps(plan, earlier, states, jobs, notify, run_step)
        except OSError as error:
            raise InvalidSettingsError(
                f"can't write the pipeline's record: {error}",
                "make room in the work directory, then continue with --resume",
            ) from error


def find_resumable(plan: PipelinePlan) -> PipelineRun | None:
    """The run that a resumed one continues: the last one with the same parameters."""
    return run_record.latest_run(plan, settings.load_settings().runs_dir)


def preview_steps(plan: PipelinePlan, earlier: PipelineRun | None) -> dict[str, StepState]:
    """The steps in running order, those settled that an earlier run settles."""
    states = plan.waiting_states()
    if earlier is None:
        return states
    for name, state in states.items():
        if all(states[need].is_settled for need in state.needs):
            results = run_record.load_results(states, earlier.runs_dir)
            decided = next_state(plan, name, states, results, earlier.states_with_result())
            # what is blocked now may not be later: it is decided in its turn
            states[name] = state if decided.phase is StepPhase.BLOCKED else decided
    return states


def is_nothing_to_do(earlier: PipelineRun, states: StepStates) -> bool:
    """True where the earlier run succeeded, and a new one would do nothing."""
    settled = all(state.is_settled for state in states.values())
    return settled and earlier.outcome is Outcome.SUCCEEDED


def pipeline_lock_name(plan: PipelinePlan) -> str:
    """The lock that a pipeline holds while it runs."""
    return run_record.run_folder_name(plan.pipeline.lock or plan.pipeline.name)


def _run_steps(
    plan: PipelinePlan,
    earlier: PipelineRun | None,
    states: dict[str, StepState],
    jobs: int,
    notify: Callable[[StepState], object],
    run_step: StepRunner,
) -> PipelineRun:
    zone = settings.load_settings().zone
    if earlier and earlier.outcome is Outcome.CRASHED:
        # Its page still says that it runs
        run_record.write_run_page(plan, earlier, zone)
    running = PipelineJournal(plan, run_record.start_run(plan, states, earlier), notify, zone)
    for state in states.values():
        if state.is_settled:
            notify(state)
    stop = _StopSignal()
    ended = runs.start_heartbeat(running.run.record)
    handler = logs.add_file_handler(running.run.record.directory / runs.LOG_NAME)
    try:
        with stop.on_signals():
            before = earlier.states_with_result() if earlier else {}
            PipelineExecution(plan, running, before, run_step, stop.event).run(jobs)
    finally:
        stop.event.set()
        ended.set()
        logs.remove_handler(handler)
    return running.finish(stop.reason)


class _StopSignal:
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
        self.reason = runner.STOPPED_BY_OPERATOR
        self.event.set()
        runner.stop_all_notebooks()
