"""The steps of one run of a pipeline, as tasks of a Dask graph."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from kpfnb import notebooks, runs
from kpfnb.errors import KpfnbError
from kpfnb.outcomes import Outcome
from kpfnb.pipelines.journal import Journal
from kpfnb.pipelines.planning import Plan, States, decide, pause_seconds
from kpfnb.pipelines.steps import Phase, StepState
from kpfnb.runs.verdict import REFUSALS

GIVEN_UP = "stopped: the pipeline could not go on"

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


class Execution:
    """Runs the steps; each change of one goes to the journal. When `stop` is set it ends soon."""

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
        # At its end the pool waits for the steps that run: nobody else may begin before
        with ThreadPoolExecutor(jobs) as pool:
            try:
                dask.compute(*tasks.values(), scheduler="threads", pool=pool, optimize_graph=False)
            except BaseException:
                self._stop.set()
                notebooks.stop_all(GIVEN_UP)
                raise

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
        return self._ended(state, record)

    def _ended(self, state: StepState, record: runs.Record) -> StepState:
        state = replace(state, phase=Phase.RAN, outcome=record.outcome, reason=record.reason)
        ours = self._journal.run.runs_dir
        if not record.directory.is_relative_to(ours):
            # Somebody changed the settings: no later step would find its result
            reason = f"its run is kept in {record.directory}, not in {ours}"
            return replace(state, outcome=Outcome.FAILED, reason=reason)
        return replace(state, run=record.directory.relative_to(ours).as_posix())
