"""The commands of the time-series database."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.kpf.tsdb import database
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND


@pytest.fixture
def run(isolated):
    samples.write_all(isolated / "data", FIRST)
    samples.write(isolated / "data", SECOND).write_bytes(b"")

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    yield invoke
    database.close_connections()


def test_a_database_from_its_first_night_to_its_restoration(run, isolated):
    assert "1 refused" in run("ingest", NIGHT, code=3)
    assert json.loads(run("ingest", NIGHT, "--force", "--json", code=3))["ingested"] == 4
    assert "L0 2D L1 L2  EXPTIME" in run("tsdb", "keywords", "^exptime$")
    assert json.loads(run("tsdb", "keywords", "exptime", "--json"))[0]["unit"] == "s"
    problems = run("tsdb", "problems")
    assert "refused  empty" in problems
    assert problems.splitlines()[-1] == "2 problems, 0 notes"
    assert json.loads(run("tsdb", "problems", "--json"))[0]["refused"] is True
    assert "1 observation" in run("tsdb", "status")
    assert json.loads(run("tsdb", "status", "--json"))["rows"]["file"] == 4
    assert "not in the database" in run("tsdb", "check", NIGHT, code=3)
    run("tsdb", "backup", str(isolated / "saved"))
    assert "would be deleted" in run("tsdb", "delete", NIGHT, "--dry-run")
    assert json.loads(run("tsdb", "delete", NIGHT, "--json"))["nights"] == [NIGHT]
    assert "0 observation" in run("tsdb", "status")
    run("tsdb", "restore", str(isolated / "saved"), "--replace")
    assert "1 observation" in run("tsdb", "status")
