"""The state of the live home page: what it has, and how often it is computed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from kpfnb import runs
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.settings import Settings
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night
from kpfnb.home.run_states import LOG_LINES, RunReader
from kpfnb.lab.home_state import HomeState, StatePart
from kpfnb.runs.classification import CellError, RunEndFacts
from tests.kpf.verdict.conftest import NIGHT, SMALL

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_LAB_URL", "/user/ann/kpfnb/")


def read(state: HomeState) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(state.read().body)
    return values


def start_running(name: str, **parameters: Any) -> runs.RunRecord:
    """The record of a run in another process."""
    other = psutil.Process(os.getppid())
    record = runs.start_run(name, parameters=parameters)
    record = replace(record, pid=other.pid, process_started=other.create_time())
    runs.write_record(record)
    return record


def test_a_data_root_that_does_not_exist_is_said() -> None:
    values = read(HomeState())
    assert "which does not exist" in values["data_root"]["value"]
    assert values["night"] == {"value": None, "error": ""}


def test_the_night_has_bars_and_what_is_missing_with_the_reason(isolated: Path) -> None:
    night = write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)
    product = next((isolated / "data/L2" / NIGHT).glob("*.fits"))
    product.unlink()
    obsid = product.name.removesuffix("_L2.fits")
    tile = read(HomeState())["night"]["value"]
    assert tile["night"] == NIGHT
    assert tile["verdict"] is None
    assert [level["level"] for level in tile["levels"]] == ["2D", "L1", "L2"]
    last = tile["levels"][-1]
    assert last["expected"] - last["done"] == 1
    [missing] = tile["missing"][0]["products"]
    assert (missing["obsid"], missing["level"]) == (obsid, "L2")
    assert "no attempt known" in missing["sentence"]
    assert missing["url"] == f"/user/ann/kpfnb/observation/{obsid}"
    assert tile["reprocess"]["url"] == f"/user/ann/kpfnb/open/reprocess?targets={obsid}"
    assert night


def test_the_version_changes_only_with_the_state() -> None:
    state = HomeState()
    first = state.read()
    assert state.read().etag == first.etag
    start_running("progress")
    state.forget("runs")
    assert state.read().etag != first.etag


def test_progress_and_the_end_of_logs(isolated: Path) -> None:
    running = start_running("reprocess", targets=["20240101"])
    values = {"title": HOSTILE, "done": 3, "total": 9, "failed": 1, "note": "x", "seconds": 2}
    (running.directory / "progress.json").write_text(json.dumps(values))
    failed = runs.start_run("progress", parameters={"start": "20240101"})
    lines = [f"line {number}" for number in range(100)] + [HOSTILE]
    (failed.directory / "log.txt").write_text("\n".join(lines))
    runs.finish_run(failed, RunEndFacts(error=CellError(2, "ValueError", HOSTILE)))
    state = HomeState()
    part = read(state)["runs"]["value"]
    [run] = part["running"]
    assert run["progress"] == values
    assert run["can_stop"]
    [failure] = part["failed"]
    assert failure["log_end"].splitlines() == lines[-LOG_LINES:]
    assert failure["command"] == "kpfnb run progress -p start=20240101"
    assert failure["open"]["url"].endswith("/kpfnb/open/progress?start=20240101")
    # While it is written
    (running.directory / "progress.json").write_text("{")
    state.forget("runs")
    assert read(state)["runs"]["value"]["running"][0]["progress"] is None


def test_a_run_of_another_host_can_not_be_stopped_here() -> None:
    record = start_running("progress")
    runs.write_record(replace(record, host="elsewhere"))
    [run] = read(HomeState())["runs"]["value"]["running"]
    assert (run["can_stop"], run["where"]) == (False, "on elsewhere")


def test_a_part_that_can_not_be_read_does_not_hide_the_others() -> None:
    def fail(_: Settings) -> None:
        raise InvalidInputError("damaged", "remove it")

    state = HomeState()
    state.parts["watchers"] = StatePart(fail, 1)
    values = read(state)
    assert values["watchers"] == {"value": None, "error": "damaged\n  → remove it"}
    assert values["runs"]["error"] == ""


def test_a_part_is_computed_once_for_all_and_rests() -> None:
    calls = []
    part = StatePart(calls.append, 60)
    for _ in range(5):
        part.get()
    assert len(calls) == 1
    part.get(now_needed=True)
    assert len(calls) == 2


def test_runs_that_have_ended_are_read_once(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = runs.start_run("progress")
    runs.finish_run(record, RunEndFacts(result={"outcome": "succeeded", "reason": "ok"}))
    reader, since = RunReader(), runs.store.start_time(record.directory)
    runs_dir = record.directory.parents[1]
    assert [run.id for run in reader.read(runs_dir, since)] == [record.id]
    (record.directory / "run.json").write_text("damaged")
    assert [run.reason for run in reader.read(runs_dir, since)] == ["ok"]
    # One that starts afterwards is found
    old = time.time() - 60
    os.utime(record.directory.parent, (old, old))
    reader.read(runs_dir, since)
    new = start_running("progress")
    assert {run.id for run in reader.read(runs_dir, since)} == {record.id, new.id}
