"""Old runs go by a policy: never the failed ones first, and nothing that is still needed."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kpfnb import runs
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.pipelines import run_record
from kpfnb.runs import RunRecord, retention, site, store
from kpfnb.runs.classification import RunEndFacts

NOW = datetime.now(UTC)


def aged(
    days: float, outcome: str | None = "succeeded", name: str = "progress", **known
) -> RunRecord:
    """A run that started and ended this many days ago."""
    run = runs.start_run(name, **known)
    moment = NOW - timedelta(days=days)
    place = run.directory.with_name(f"{moment:{runs.TIME_FORMAT}}-{run.id}")
    run.directory.rename(place)
    stamp = moment.isoformat().replace("+00:00", "Z")
    if outcome:
        result = {"outcome": outcome, "reason": "", "figures": {}}
        runs.finish_run(runs.read_record(place), RunEndFacts(result=result))
    values = atomic.read_json(place / runs.RECORD_NAME)
    ended = {"finished": stamp} if outcome else {}
    atomic.write_json(place / runs.RECORD_NAME, values | {"started": stamp} | ended)
    return runs.read_record(place)


def prune(keep: str = "90d", **options) -> retention.PruneResult:
    return retention.prune_runs(keep, references=run_record.referenced_runs, **options)


def left() -> set[str]:
    return {run.name[-8:] for run in runs.list_directories(settings.load_settings().runs_dir)}


def test_good_runs_go_before_failed_ones() -> None:
    old, failed, older, fresh = aged(100), aged(200, "failed"), aged(400, "partial"), aged(1)
    last_bad = aged(2, "failed")
    pruned = prune()
    assert [run.id for run in pruned.removed] == [old.id, older.id]
    assert left() == {failed.id, fresh.id, last_bad.id}
    assert pruned.outcome is Outcome.SUCCEEDED
    assert prune().removed == ()


def test_what_runs_and_the_last_of_each_notebook_stays() -> None:
    good, bad = aged(900), aged(800, "crashed")
    going = aged(700, None)
    other = aged(600, name="ingest")
    assert prune().removed == ()
    assert left() == {good.id, bad.id, going.id, other.id}


def test_the_runs_of_a_pipeline_are_kept_with_it() -> None:
    step, lost = aged(300), aged(299)
    child = aged(298, parent="abc")
    whole = aged(10, name="pipeline-night")
    aged(1)
    atomic.write_json(
        whole.directory / run_record.STEPS_NAME,
        {"schema": 1, "resumes": "", "steps": [{"run": f"progress/{step.directory.name}"}]},
    )
    path = whole.directory / runs.RECORD_NAME
    atomic.write_json(path, atomic.read_json(path) | {"id": "abc"})
    assert [run.id for run in prune().removed] == [lost.id]
    assert {step.id, child.id} <= left()


def test_a_dry_run_removes_nothing() -> None:
    old = aged(100)
    aged(1)
    assert [run.id for run in prune(dry_run=True).removed] == [old.id]
    assert old.id in left()


def test_the_pages_know_of_it() -> None:
    old = aged(100)
    new = aged(1)
    site.update_site(old)
    site.update_site(new)
    runs_dir = settings.load_settings().runs_dir
    day = runs_dir / "days" / f"{old.started[:10]}.html"
    assert day.exists()
    prune()
    assert not day.exists()
    assert old.id not in (runs_dir / "index.html").read_text()
    assert not store.stale_days(runs_dir, runs.list_directories(runs_dir))
    assert not (runs_dir / "data" / f"{old.started[:7]}.js").exists()


def test_a_prune_that_was_killed_is_ended_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    old, older = aged(100), aged(110)
    new = aged(1)
    for run in (old, older, new):
        site.update_site(run)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("kpfnb.runs.record.shutil.rmtree", _dies)
        prune()
    runs_dir = settings.load_settings().runs_dir
    [hidden] = runs_dir.glob("*/.kpfnb-*")
    assert left() == {old.id, new.id}
    hour_ago = time.time() - 2 * retention.HIDDEN_SECONDS
    os.utime(hidden, (hour_ago, hour_ago))
    assert [run.id for run in prune().removed] == [old.id]
    assert not hidden.exists()
    assert not store.stale_days(runs_dir, runs.list_directories(runs_dir))


def _dies(path: Path, **_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("keep", ["", "90", "0d", "-3d", "90 days", "1m"])
def test_no_time_span_is_refused(keep: str) -> None:
    with pytest.raises(InvalidParameterError, match="time span"):
        prune(keep)


def test_a_pipelines_references_are_read_from_its_steps(tmp_path: Path) -> None:
    assert run_record.referenced_runs(tmp_path) == set()
    folder = tmp_path / "pipeline-night/b"
    values = {"resumes": "a", "steps": [{"run": "progress/x"}, {"run": ""}]}
    atomic.write_json(folder / run_record.STEPS_NAME, values)
    assert run_record.referenced_runs(folder) == {"progress/x", "pipeline-night/a"}
    atomic.write_text(folder / run_record.STEPS_NAME, "[]")
    assert run_record.referenced_runs(folder) == set()
