"""The page of a night: observed, processed, verdict, velocities, problems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb import runs, settings
from kpfnb.cli import app
from kpfnb.demo.headernight import COUNTS, Fault, HeaderNight, plant
from kpfnb.errors import BadParameter
from kpfnb.kpf.nightreport import making
from kpfnb.kpf.verdict import assessing
from kpfnb.outcomes import Outcome
from kpfnb.result import Result
from kpfnb.runs.verdict import CellError, Facts
from tests.kpf.verdict.conftest import NIGHT, SMALL

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def night(isolated: Path) -> HeaderNight:
    return plant(isolated / "data", NIGHT, COUNTS, sizes=SMALL)


def test_it_tells_what_was_observed_and_processed(night: HeaderNight) -> None:
    done = making.make(NIGHT)
    assert isinstance(done, Result)
    assert done.outcome is Outcome.SUCCEEDED
    assert done.figures()["velocities"] == 0
    night.rewrite("star", "L2", 0, CCFRV=-18.21261, CCFBJD=2460324.7)
    done = making.make(NIGHT)
    assert done.figures() | {"velocities": 1, "observations": 52} == done.figures()
    [target] = [one.name for one in done.content.targets if one.count == 10]
    assert target == "10700"
    page = done.page.read_text()
    assert "-18.21261" in page
    assert "0.90" in page
    assert ">10 of 10<" not in page
    assert "SIMULATION" in page
    assert 'href="verdict.html"' in page
    assert 'href="report.html"' in (done.page.parent / "verdict.html").read_text()
    assert f'href="{NIGHT}/report.html"' in (done.page.parents[1] / "index.html").read_text()


def test_problems_are_named_with_their_observation(isolated: Path) -> None:
    night = plant(isolated / "data", NIGHT, COUNTS, Fault.ONE_L2_MISSING, sizes=SMALL)
    night.path("bias", "L0", 2).write_bytes(b"x")
    done = making.make(NIGHT, accept="PASS")
    problems = list(done.content.problems())
    assert ("L0", "can't be read: not FITS", night.obsids["bias"][2]) in problems
    assert ("L2", "1 × missing", night.obsids["star"][3]) in problems
    assert ("WARN", "Stars reduced: 90 %", night.obsids["star"][3]) in problems
    assert done.outcome is Outcome.PARTIAL
    assert night.obsids["star"][3] in done.page.read_text()


def test_the_last_run_that_failed_is_a_problem(night: HeaderNight) -> None:
    here = settings.load()
    for facts in (Facts(error=CellError(3, "BadInput", "no such thing")), Facts(result=GOOD)):
        old = runs.begin("ingest", parameters={"start": NIGHT})
        runs.finish(old, facts)
        _date(old.directory, f"{NIGHT}T120000.{len(os.listdir(here.runs_dir / 'ingest')):06d}Z")
    bad = runs.begin("reprocess", parameters={"start": NIGHT})
    runs.finish(bad, Facts(stopped=HOSTILE))
    _date(bad.directory, f"{NIGHT}T130000.000000Z")
    other = runs.begin("reprocess", parameters={"start": "20230101"})
    _date(other.directory, f"{NIGHT}T140000.000000Z")
    done = making.make(NIGHT)
    assert [what for where, what, _ in done.content.problems() if where.startswith("run")] == [
        f"reprocess: {HOSTILE}"
    ]
    assert HOSTILE not in done.page.read_text()


GOOD = {"outcome": "succeeded", "reason": "all", "figures": {}}


def _date(directory: Path, stamp: str) -> None:
    directory.rename(directory.with_name(f"{stamp}-{directory.name[-8:]}"))


def test_again_nothing_changes(night: HeaderNight) -> None:
    first = making.make(NIGHT).page.stat().st_mtime_ns
    assert making.make(NIGHT).page.stat().st_mtime_ns == first


def test_hostile_text_is_text(night: HeaderNight) -> None:
    night.rewrite("star", "L0", 0, OBJECT=HOSTILE, PROGNAME=HOSTILE)
    night.rewrite("bias", "L0", 0, OBJECT=HOSTILE)
    assessing.override(NIGHT, "drift", "WARN", HOSTILE, who=HOSTILE)
    text = making.make(NIGHT).page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_command(night: HeaderNight) -> None:
    done = CliRunner().invoke(app, ["report", NIGHT])
    assert done.exit_code == 0
    assert done.output.startswith(f"PASS {NIGHT}")
    with pytest.raises(BadParameter):
        making.make("20240231")
