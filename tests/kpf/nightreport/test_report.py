"""The report of a night: observations, products, verdict, velocities, problems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb import runs
from kpfnb.cli.app import app
from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, HeaderOnlyNight, NightFault, write_night
from kpfnb.kpf.nightreport.report import write_report
from kpfnb.kpf.timeseries import star
from kpfnb.kpf.verdict import assessment
from kpfnb.runs.classification import CellError, RunEndFacts
from tests.kpf.verdict.conftest import NIGHT, SMALL

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def night(isolated: Path) -> HeaderOnlyNight:
    return write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)


def test_it_shows_observations_and_products(night: HeaderOnlyNight) -> None:
    report = write_report(NIGHT)
    assert isinstance(report, Result)
    assert report.outcome is Outcome.SUCCEEDED
    assert report.key_figures()["velocities"] == 10
    assert "1 rule not judged" in report.page.read_text()
    night.rewrite("star", "L2", 0, CCFRV=-18.21261, CCFBJD=2460324.7)
    report = write_report(NIGHT)
    assert report.key_figures() | {"velocities": 10, "observations": 68} == report.key_figures()
    [target] = [group.name for group in report.content.targets if group.count == 10]
    assert target == "10700"
    page = report.page.read_text()
    assert "-18.21261" in page
    assert "0.90" in page
    assert ">10 of 10<" in page
    assert "SIMULATION" in page
    assert 'href="verdict.html"' in page
    assert 'href="report.html"' in (report.page.parent / "verdict.html").read_text()
    assert f'href="{NIGHT}/report.html"' in (report.page.parents[1] / "index.html").read_text()


def test_a_target_leads_to_the_page_of_its_star(night: HeaderOnlyNight) -> None:
    assert "stars/" not in write_report(NIGHT).page.read_text()
    page = star.stars_folder() / "10700" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert star.find_star_page("10700") == page
    report = write_report(NIGHT).page
    link = os.path.relpath(page, report.parent)
    assert f'<a href="{link}">10700</a>' in report.read_text()


def test_an_observation_without_an_l0_is_named(night: HeaderOnlyNight) -> None:
    night.path("flat", "L0").unlink()
    text = write_report(NIGHT).page.read_text()
    assert "1 observation with products and without an L0" in text
    assert night.obsids["flat"][0] in text


def test_a_velocity_of_0_is_none(night: HeaderOnlyNight) -> None:
    night.rewrite("star", "L2", 0, CCFRV=0.0, CCFERV=0.0)
    report = write_report(NIGHT)
    [row] = [row for row in report.content.velocities if row.obsid == night.obsids["star"][0]]
    assert (row.velocity, row.error) == (None, None)
    assert report.key_figures()["velocities"] == 9
    assert "L2 of stars with a velocity: 90 %" in report.page.read_text()


def test_problems_are_named_with_their_observation(isolated: Path) -> None:
    night = write_night(
        isolated / "data", NIGHT, DEFAULT_COUNTS, NightFault.ONE_L2_MISSING, sizes=SMALL
    )
    night.path("bias", "L0", 2).write_bytes(b"x")
    report = write_report(NIGHT, accept="PASS")
    star = night.obsids["star"][3]
    problems = {problem.what: problem for problem in report.content.problems}
    unreadable = problems["can't be read: not FITS"]
    assert (unreadable.where, unreadable.obsid) == ("L0", night.obsids["bias"][2])
    assert (unreadable.action, unreadable.advice) == (None, "Transfer the file again")
    for what, where, target in (
        ("missing: no attempt known", "1 L2", NIGHT),
        ("Stars reduced: 90 %", "WARN", star),
    ):
        assert (problems[what].where, problems[what].obsid) == (where, star)
        assert problems[what].action
        assert problems[what].action.parameters == {"targets": [target]}
    text = report.page.read_text()
    assert f'data-open="reprocess?targets={star}" data-label="Reprocess this one"' in text
    assert "Transfer the file again" in text
    assert report.outcome is Outcome.PARTIAL
    assert night.obsids["star"][3] in report.page.read_text()


def test_the_last_run_that_failed_is_a_problem(night: HeaderOnlyNight) -> None:
    site_settings = settings.load_settings()
    for facts in (
        RunEndFacts(error=CellError(3, "InvalidInputError", "no such thing")),
        RunEndFacts(result=GOOD),
    ):
        old = runs.start_run("ingest", parameters={"start": NIGHT})
        runs.finish_run(old, facts)
        _date(
            old.directory,
            f"{NIGHT}T120000.{len(os.listdir(site_settings.runs_dir / 'ingest')):06d}Z",
        )
    bad = runs.start_run("reprocess", parameters={"start": NIGHT})
    runs.finish_run(bad, RunEndFacts(stop_reason=HOSTILE))
    _date(bad.directory, f"{NIGHT}T130000.000000Z")
    other = runs.start_run("reprocess", parameters={"start": "20230101"})
    _date(other.directory, f"{NIGHT}T140000.000000Z")
    report = write_report(NIGHT)
    problems = report.content.problems
    assert [problem.what for problem in problems if problem.where.startswith("run")] == [
        f"reprocess: {HOSTILE}"
    ]
    assert HOSTILE not in report.page.read_text()


GOOD = {"outcome": "succeeded", "reason": "all", "figures": {}}


def _date(directory: Path, stamp: str) -> None:
    directory.rename(directory.with_name(f"{stamp}-{directory.name[-8:]}"))


def test_an_unchanged_page_is_not_written_again(night: HeaderOnlyNight) -> None:
    first = write_report(NIGHT).page.stat().st_mtime_ns
    assert write_report(NIGHT).page.stat().st_mtime_ns == first


def test_hostile_text_is_text(night: HeaderOnlyNight) -> None:
    night.rewrite("star", "L0", 0, OBJECT=HOSTILE, PROGNAME=HOSTILE)
    night.rewrite("bias", "L0", 0, OBJECT=HOSTILE)
    assessment.override_rule(NIGHT, "drift", "WARN", HOSTILE, who=HOSTILE)
    text = write_report(NIGHT).page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_command(night: HeaderOnlyNight) -> None:
    result = CliRunner().invoke(app, ["report", NIGHT])
    assert result.exit_code == 0
    assert result.output.startswith(f"PASS {NIGHT}")
    with pytest.raises(InvalidParameterError):
        write_report("20240231")
