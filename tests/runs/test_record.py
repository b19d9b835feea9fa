import os
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kpfnb import runs
from kpfnb.core.errors import InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.runs.classification import CellError, RunEndFacts
from tests.runs.samples import GOOD, edit, runs_dir


def test_a_run_is_read_as_it_was_written():
    record = runs.start_run("progress", parameters={"start": "20240101"}, command=["kpfnb"])
    ended = runs.finish_run(record, GOOD)
    assert ended.outcome is Outcome.SUCCEEDED
    assert ended.seconds is not None and ended.figures == {"n": 3}
    assert runs.read_record(record.directory) == ended
    assert record.directory.parent == runs_dir() / "progress"


def test_the_record_says_where_numbers_come_from():
    record = runs.start_run("progress")
    assert record.versions["kpfnb"] and record.versions["numpy"]
    assert record.pid == os.getpid() and record.host
    assert runs.current_record(record.directory).outcome is None


def test_an_error_is_kept_with_its_cell():
    error = CellError(4, "ValueError", "no")
    record = runs.finish_run(runs.start_run("x"), RunEndFacts(error=error))
    assert runs.read_record(record.directory).error == {
        "cell": 4,
        "name": "ValueError",
        "message": "no",
    }


def test_heartbeats_are_written_until_the_end(monkeypatch):
    monkeypatch.setattr("kpfnb.runs.record.HEARTBEAT_SECONDS", 0.01)
    record = runs.start_run("x")
    file = record.directory / runs.RECORD_NAME
    os.utime(file, (1, 1))
    ended = runs.start_heartbeat(record)
    try:
        while file.stat().st_mtime == 1:
            pass
    finally:
        ended.set()


def test_fields_of_a_later_version_are_passed_over():
    record = runs.start_run("x")
    edit(record, mood="sunny")
    assert runs.read_record(record.directory).id == record.id


def test_a_run_that_came_to_nothing_is_forgotten():
    record = runs.start_run("x")
    runs.discard_run(record)
    assert list((runs_dir() / "x").iterdir()) == []


def test_a_run_that_somebody_has_removed_is_forgotten_already():
    record = runs.start_run("x")
    shutil.rmtree(record.directory)
    runs.discard_run(record)
    assert list((runs_dir() / "x").iterdir()) == []


def test_a_heartbeat_that_fails_once_is_repeated(monkeypatch):
    monkeypatch.setattr("kpfnb.runs.record.HEARTBEAT_SECONDS", 0.01)
    errors, is_renewed = [OSError(5, "Input/output error")], threading.Event()

    def utime(_):
        if errors:
            raise errors.pop()
        is_renewed.set()

    monkeypatch.setattr("kpfnb.runs.record.os.utime", utime)
    ended = runs.start_heartbeat(runs.start_run("x"))
    assert is_renewed.wait(30)
    ended.set()


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "file"))
    with pytest.raises(InvalidSettingsError, match=r"can't write the run's record in .*file"):
        runs.start_run("x")


def test_a_result_is_written_as_json():
    record = runs.start_run("x")
    assert record.read_result() is None
    runs.write_result(record, {"outcome": Outcome.PARTIAL, "figures": {"rv": float("nan")}})
    result = record.read_result()
    assert (result["run"], result["notebook"]) == (record.id, "x")
    assert result["outcome"] == "partial" and result["figures"] == {"rv": None}


def test_parameters_that_json_has_no_word_for_are_kept_as_text(tmp_path):
    record = runs.start_run("x", parameters={"day": datetime(2024, 1, 1, tzinfo=UTC).date()})
    assert runs.read_record(record.directory).parameters == {"day": "2024-01-01"}
    assert replace(record, parameters={}).id == record.id


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"outcome": "splendid"}'])
def test_a_damaged_result_does_not_hide_why_the_run_failed(damage: str) -> None:
    record = runs.start_run("progress")
    record.result_file.write_text(damage)
    result = record.read_result()
    error = CellError(3, "OSError", "no space left")
    failed = runs.finish_run(record, RunEndFacts(error=error, result=result))
    assert failed.reason == "cell [3]: OSError: no space left"
    alone = runs.finish_run(record, RunEndFacts(result=result))
    assert alone.outcome is Outcome.FAILED and "result.json is damaged" in alone.reason
