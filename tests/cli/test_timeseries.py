"""The commands of the time series."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.tsdb import database
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill


@pytest.fixture
def run(isolated):
    fill(NIGHT, {"kpfmet.TEMP": [19.0, 19.1]})

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(app, ["timeseries", *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    yield invoke
    database.close_connections()


def test_a_panel_is_drawn(run, isolated):
    assert "1 page rendered" in run("--panel", "chamber-outside")
    page = isolated / "work/timeseries/day" / NIGHT / "index.html"
    assert "chamber-outside.png" in page.read_text()
    report = json.loads(run("--interval", "month", "--panel", "chamber-outside", "--json"))
    assert report["periods"] == ["month/202401"]


def test_panels_are_listed(run):
    assert "star-velocities" in run("--list")
    assert [
        panel["group"] for panel in json.loads(run("--list", "--panel", "seeing", "--json"))
    ] == ["Observing"]


def test_an_unknown_interval_is_refused(run):
    with pytest.raises(InvalidParameterError, match="known: day, month, year"):
        run("--interval", "week")
