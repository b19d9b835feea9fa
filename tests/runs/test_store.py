import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from kpfnb import runs
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.runs import store
from tests.runs.samples import GOOD, edit, runs_dir


def test_listing_is_newest_first_and_filters():
    first, second, third = (runs.start_run(name) for name in ("a", "b", "a"))
    runs.finish_run(second, GOOD)
    names = [run.id for run in runs.list_runs(runs_dir())]
    assert names == [third.id, second.id, first.id]
    assert [run.id for run in runs.list_runs(runs_dir(), notebook="a")] == [third.id, first.id]
    succeeded = runs.list_runs(runs_dir(), outcome=Outcome.SUCCEEDED)
    assert [run.id for run in succeeded] == [second.id]
    assert [run.id for run in runs.list_runs(runs_dir(), limit=1)] == [third.id]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert runs.list_runs(runs_dir(), since=tomorrow) == []
    assert len(runs.list_runs(runs_dir(), since=runs.start_time(second.directory))) == 2


def test_listing_without_runs_is_empty(tmp_path):
    assert runs.list_runs(tmp_path / "nowhere") == []


def test_a_run_whose_process_died_is_crashed():
    done = subprocess.run(
        [sys.executable, "-c", "from kpfnb import runs; print(runs.start_run('x').directory)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (record,) = runs.list_runs(runs_dir())
    assert str(record.directory) == done.stdout.strip()
    assert record.outcome is Outcome.CRASHED
    assert runs.read_record(record.directory).outcome is None
    assert runs.mark_crashed(record)
    assert not runs.mark_crashed(record)
    assert runs.read_record(record.directory).outcome is Outcome.CRASHED


def test_a_later_process_with_the_same_number_is_not_the_run():
    record = runs.start_run("x")
    edit(record, process_started=record.process_started - 1000)
    assert runs.current_record(record.directory).outcome is Outcome.CRASHED


def test_a_run_elsewhere_lives_while_it_gives_signs_of_life():
    record = runs.start_run("x")
    edit(record, host="another", pid=1)
    assert runs.current_record(record.directory).outcome is None
    file, long_ago = record.directory / runs.RECORD_NAME, 1_000_000_000
    os.utime(file, (long_ago, long_ago))
    assert runs.current_record(record.directory).outcome is Outcome.CRASHED


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 99}'])
def test_a_damaged_record_is_shown_not_hidden(text):
    record = runs.start_run("x")
    (record.directory / runs.RECORD_NAME).write_text(text)
    with pytest.raises(InvalidInputError, match=r"run\.json"):
        runs.read_record(record.directory)
    (shown,) = runs.list_runs(runs_dir())
    assert (shown.id, shown.notebook) == (record.id, "x")
    assert shown.outcome is Outcome.CRASHED and "can't be read" in shown.reason


def test_runs_are_found_by_the_beginning_of_their_id():
    record = runs.start_run("x")
    assert runs.find_run(record.id[:4]).directory == record.directory
    for unknown in ("zzz", ""):
        with pytest.raises(InvalidInputError, match=f"no run '{unknown}'"):
            runs.find_run(unknown)


def test_an_ambiguous_beginning_names_the_runs():
    record = runs.start_run("x")
    twin = record.directory.with_name(record.directory.name[:-8] + record.id[:7] + "z")
    twin = twin.with_name(twin.name[:-1] + ("0" if record.id[7] != "0" else "1"))
    twin.mkdir()
    with pytest.raises(InvalidInputError, match=r"2 runs start with .*\(x\)"):
        runs.find_run(record.id[:7])


@pytest.mark.parametrize("host", ["here", "elsewhere"])
@pytest.mark.parametrize("moment", ["before it is read", "after"])
def test_a_run_removed_during_the_listing_does_not_crash_it(monkeypatch, host, moment):
    gone, stays = runs.start_run("x"), runs.start_run("x")
    if host == "elsewhere":
        edit(gone, host=host)
    read = runs.read_record

    def remove(directory):
        if directory == gone.directory and moment == "before it is read":
            shutil.rmtree(directory)
        record = read(directory)
        if directory == gone.directory:
            shutil.rmtree(directory)
        return record

    monkeypatch.setattr(store, "read_record", remove)
    listed = runs.list_runs(runs_dir())
    assert [run.id for run in listed if run.outcome] == []
    assert stays.id in [run.id for run in listed]


def test_a_directory_that_is_not_a_run_is_skipped():
    record = runs.start_run("x")
    for name in ("notes", "20240101", ".kpfnb-half"):
        (record.directory.parent / name).mkdir()
    (runs_dir() / "index.html").write_text("")
    assert [run.id for run in runs.list_runs(runs_dir())] == [record.id]
