"""Run a pipeline of notebooks on Dask, and resume it.

Dask starts each step as soon as the steps that it needs have ended, several at once. They run in
threads of this process, so that all their kernels come from one fork server.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import FrameType
from typing import Any, Protocol

from kpfnb import runs
from kpfnb.core import locks, logs, settings
from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidSettingsError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.core.signals import handle_signals
from kpfnb.notebook import runner
from kpfnb.pipelines import run_record
from kpfnb.pipelines.plan import PipelinePlan, StepStates, next_state, retry_delay
from kpfnb.pipelines.run_record import PipelineJournal, PipelineRun
from kpfnb.pipelines.step_state import StepPhase, StepState
from kpfnb.runs.classification import OUTCOME_BY_ERROR

DEFAULT_JOBS = 2
ABORTED_REASON = "stopped: the pipeline could not continue"

logger = logging.getLogger(__name__)


class StepRunner(Protocol):
    """A function that runs one notebook; when `stop` is set it ends soon."""

    def __call__(
        self,
        name: str,
        given: Mapping[str, Any],
        *,
        parent: str,
        timeout_seconds: float | None,
        stop: threading.Event,
    ) -> runs.RunRecord:
        """Run the notebook; its record, whatever the outcome."""


def run_step_notebook(
    name: str,
    given: Mapping[str, Any],
    *,
    parent: str,
    timeout_seconds: float | None,
    stop: threading.Event,
) -> runs.RunRecord:
    """Run one notebook by `kpfnb.notebook.runner`."""

    def before_cell(line: str) -> None:
        # `stop_all_notebooks` was called before the notebook could be stopped
        if stop.is_set():
            runner.stop_all_notebooks()

    return runner.run_notebook(
        name, given, parent=parent, timeout_seconds=timeout_seconds, echo=before_cell
    )


class PipelineExecution:
    """The execution of one pipeline run: its steps are tasks of a Dask graph.

    Each change of a step goes to the journal. When `stop` is set it ends soon.
    """

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
        """Run all steps that are not settled, each after the steps that it needs."""
        import dask

        tasks: dict[str, Any] = {}
        for name, state in self._journal.run.states.items():
            needs = [tasks[need] for need in state.needs]
            task = dask.delayed(self._settle_step, pure=False)
            tasks[name] = task(name, needs, dask_key_name=name)
        # The pool waits for running steps: no other pipeline may begin before they end
        with ThreadPoolExecutor(jobs) as pool:
            try:
                dask.compute(*tasks.values(), scheduler="threads", pool=pool, optimize_graph=False)
            except BaseException:
                self._stop.set()
                runner.stop_all_notebooks(ABORTED_REASON)
                raise

    def _settle_step(self, name: str, needs: list[None]) -> None:
        """One step from its decision to its end; `needs` only tells Dask the order."""
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
        state = replace(state, started=format_utc())
        while True:
            state = self._run_attempt(replace(state, attempts=state.attempts + 1))
            state = replace(state, seconds=round(time.monotonic() - began, 3))
            delay = retry_delay(step, state)
            if delay is None or self._stop.is_set():
                return state
            reason = f"{state.outcome}: {state.reason}; next attempt in {delay:g} s"
            self._journal.set_state(replace(state, phase=StepPhase.RUNNING, reason=reason))
            if self._stop.wait(delay):
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
            # The border of a step: the others continue, and its state has the error
            logger.exception("step %s", state.name)
            reason = f"{type(error).__name__}: {error}"
            return replace(state, phase=StepPhase.RAN, outcome=Outcome.FAILED, reason=reason)
        return self._record_outcome(state, record)

    def _record_outcome(self, state: StepState, record: runs.RunRecord) -> StepState:
        state = replace(state, phase=StepPhase.RAN, outcome=record.outcome, reason=record.reason)
        runs_dir = self._journal.run.runs_dir
        if not record.directory.is_relative_to(runs_dir):
            # The settings were changed during the run: no later step would find its result
            reason = f"its run is kept in {record.directory}, not in {runs_dir}"
            return replace(state, outcome=Outcome.FAILED, reason=reason)
        return replace(state, run=record.directory.relative_to(runs_dir).as_posix())


def run_pipeline(
    plan: PipelinePlan,
    *,
    jobs: int = DEFAULT_JOBS,
    resume: bool = False,
    wait_seconds: float = 0,
    notify: Callable[[StepState], object] = lambda state: None,
    run_step: StepRunner = run_step_notebook,
) -> PipelineRun:
    """Run a pipeline.

    Parameters
    ----------
    jobs : number of steps at once, at most
    resume : continue the last run with the same parameters: its steps that succeeded with the same
        inputs are reused. If all are, nothing is run, and that run is returned. Data outside of
        the results are not compared.
    wait_seconds : how long to wait for another pipeline with the same lock
    notify : called at each change of a step

    Raises
    ------
    AlreadyRunningError : a pipeline with the same lock is still running after `wait_seconds`
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
                "free some space in the work directory, then continue with --resume",
            ) from error


def find_resumable(plan: PipelinePlan) -> PipelineRun | None:
    """The run that a resumed one continues: the last one with the same parameters."""
    return run_record.latest_run(plan, settings.load_settings().runs_dir)


def preview_steps(plan: PipelinePlan, earlier: PipelineRun | None) -> dict[str, StepState]:
    """The steps in running order; those that an earlier run settles are settled."""
    states = plan.waiting_states()
    if earlier is None:
        return states
    for name, state in states.items():
        if all(states[need].is_settled for need in state.needs):
            results = run_record.load_results(states, earlier.runs_dir)
            new_state = next_state(plan, name, states, results, earlier.states_with_result())
            # A step that is blocked now may not be later: it is decided again in its turn
            states[name] = state if new_state.phase is StepPhase.BLOCKED else new_state
    return states


def is_nothing_to_do(earlier: PipelineRun, states: StepStates) -> bool:
    """True if the earlier run succeeded, and a new one would do nothing."""
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
        # Its page still says that it is running
        run_record.write_run_page(plan, earlier, zone)
    journal = PipelineJournal(plan, run_record.start_run(plan, states, earlier), notify, zone)
    for state in states.values():
        if state.is_settled:
            notify(state)
    stop = _StopSignal()
    heartbeat_end = runs.start_heartbeat(journal.run.record)
    handler = logs.add_file_handler(journal.run.record.directory / runs.LOG_NAME)
    try:
        with handle_signals(stop.request, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            reusable = earlier.states_with_result() if earlier else {}
            PipelineExecution(plan, journal, reusable, run_step, stop.event).run(jobs)
    finally:
        stop.event.set()
        heartbeat_end.set()
        logs.remove_handler(handler)
    return journal.finish(stop.reason)


class _StopSignal:
    """The request to stop: running steps are stopped, and no other is started."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reason = ""

    def request(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; the second one kills the kernels."""
        self.reason = runner.STOPPED_BY_OPERATOR
        self.event.set()
        runner.stop_all_notebooks()
