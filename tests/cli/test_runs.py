import json
import pty
import subprocess
import sys
from contextlib import suppress

import pytest
from typer.testing import CliRunner

from kpfnb import runs
from kpfnb.cli import app
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.runs.classification import CellError, RunEndFacts
from tests import samples


def call(*arguments):
    return CliRunner().invoke(app.app, [str(argument) for argument in arguments])


def finished(name="progress", outcome="succeeded", reason="done"):
    result = {"outcome": outcome, "reason": reason, "figures": {"nights": 3}}
    return runs.finish_run(
        runs.start_run(name, parameters={"start": "20240101"}), RunEndFacts(result=result)
    )


def test_run_prints_the_end_and_exits_with_its_code(tmp_path):
    path = samples.make(tmp_path, "task", *samples.finishing("partial", "1 of 3 failed"))
    done = call("run", path, "-p", "n=4")
    assert done.exit_code == 3
    assert "◐ task partial: 1 of 3 failed" in done.stdout
    assert "items: 4" in done.stdout
    assert "report.html" in done.stdout


def test_in_a_terminal_the_end_is_not_written_behind_the_progress(tmp_path):
    path = samples.make(tmp_path, "good", *samples.finishing())
    ours, theirs = pty.openpty()
    script = "from kpfnb.cli.app import main; main()"
    command = [sys.executable, "-c", script, "run", str(path)]
    with open(ours, "rb", buffering=0) as terminal:
        with open(theirs, "wb", buffering=0) as screen:
            process = subprocess.Popen(command, stdout=screen, stderr=screen)
        written = b""
        # A terminal that nobody writes to any more ends with an error
        with suppress(OSError):
            while more := terminal.read(4096):
                written += more
    assert process.wait() == 0
    [line] = [row for row in written.decode().split("\r\n") if "succeeded" in row]
    *_, last, end = line.split("\r")
    assert "cell" in last
    assert end.removeprefix("\x1b[K").startswith("✔")


def test_run_prints_json_for_programs(tmp_path):
    path = samples.make(tmp_path, "task")
    done = call("run", path, "-p", "n=99", "--json")
    assert done.exit_code == 2
    values = json.loads(done.stdout)
    assert values["outcome"] == "rejected" and "parameter n" in values["reason"]


def test_parameters_given_win_over_those_in_files(tmp_path):
    path = samples.make(tmp_path, "task")
    (tmp_path / "a.yml").write_text("n: 5\nlabel: file\n")
    done = call("run", path, "-f", tmp_path / "a.yml", "-p", "n=6", "--dry-run", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["parameters"] == {"n": 6, "label": "file"}


def test_an_unknown_key_in_a_file_is_named(tmp_path):
    path = samples.make(tmp_path, "task")
    (tmp_path / "a.yml").write_text("labl: file\n")
    done = call("run", path, "-f", tmp_path / "a.yml")
    assert done.exit_code == 2
    assert "unknown parameter 'labl'" in done.stdout and "did you mean label" in done.stdout


@pytest.mark.parametrize("text", ["n", "=4", ""])
def test_an_invalid_parameter_is_refused(tmp_path, text):
    done = call("run", samples.make(tmp_path, "task"), "-p", text)
    assert isinstance(done.exception, InvalidParameterError)


def test_an_unknown_notebook_is_refused():
    assert isinstance(call("run", "progres").exception, InvalidInputError)


def test_runs_are_listed_and_filtered():
    first, second = finished("a"), finished("b", "failed", "no data")
    lines = call("runs").stdout.splitlines()
    assert [second.id in lines[0], first.id in lines[1]] == [True, True]
    assert "✖ failed" in lines[0] and "b: no data" in lines[0]
    assert call("runs", "list", "--notebook", "a").stdout.count("\n") == 1
    assert call("runs", "--limit", "1").stdout.count("\n") == 1
    (only,) = json.loads(call("runs", "--outcome", "succeeded", "--json").stdout)
    assert only["id"] == first.id


def test_an_empty_list_of_runs_is_reported():
    assert call("runs").stdout == "No runs.\n"
    assert call("runs", "--json").stdout == "[]\n"


def test_a_run_is_shown_with_its_error_and_log():
    record = runs.start_run("progress", parameters={"start": "20240101"})
    (record.directory / "log.txt").write_text("".join(f"line {n}\n" for n in range(100)))
    (record.directory / "report.html").write_text("")
    error = CellError(3, "OSError", "disk gone\nat last")
    record = runs.finish_run(record, RunEndFacts(error=error))
    text = call("runs", "show", record.id[:5]).stdout
    for part in ("cell [3]: OSError: disk gone", "at last", "start = 20240101", "report.html"):
        assert part in text
    assert "line 99" in text and "line 10\n" not in text
    assert json.loads(call("runs", "show", record.id, "--json").stdout)["id"] == record.id


@pytest.mark.parametrize("command", [["run"], ["runs"], ["runs", "list"], ["runs", "show"]])
def test_help_has_an_example(command):
    done = call(*command, "--help")
    assert done.exit_code == 0 and "Example: kpfnb run" in done.stdout
