"""A range of nights: each is judged and has its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, NightFault, write_night
from kpfnb.kpf.nightreport import range_report
from kpfnb.kpf.verdict import assessment, pages, rules
from tests.kpf.verdict.conftest import NIGHT, SMALL

SECOND, THIRD = "20240116", "20240118"


@pytest.fixture
def range_of_nights(isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)
    write_night(
        isolated / "data",
        SECOND,
        DEFAULT_COUNTS,
        NightFault.NO_MASTER_BIAS,
        NightFault.ONE_L2_MISSING,
        sizes=SMALL,
    )
    write_night(isolated / "data", THIRD, DEFAULT_COUNTS, sizes=SMALL)


@pytest.mark.usefixtures("range_of_nights")
def test_every_night_of_a_range_is_judged() -> None:
    done = range_report.write_range_reports(
        NIGHT, THIRD, verdict=assessment.assess_night(NIGHT, accept="PASS")
    )
    assert isinstance(done, Result)
    nights = [one.content.night for one in done.reports]
    assert nights == [NIGHT, SECOND, THIRD]
    assert done.outcome is Outcome.PARTIAL
    assert list(assessment.load_history()) == nights
    for night in nights:
        assert (pages.page_dir(settings.load_settings(), night) / pages.REPORT_PAGE).is_file()
    assert done.reason.startswith("3 nights: 2 PASS, 1 ")
    assert SECOND in done.reason
    assert list(done.to_frame()["night"]) == nights
    assert done.key_figures()["observations"] == 3 * 52
    assert done.to_dict()["verdict"] != "PASS"
    assert done.plot().axes
    assert done._repr_html_().count("<li>") == 3


@pytest.mark.usefixtures("range_of_nights")
def test_newest_first_where_the_range_is_so() -> None:
    done = range_report.write_range_reports(THIRD, SECOND)
    assert [one.content.night for one in done.reports] == [THIRD, SECOND]
    assert done.outcome is Outcome.SUCCEEDED


@pytest.mark.usefixtures("range_of_nights")
def test_one_night_is_told_as_itself() -> None:
    done = range_report.write_range_reports(NIGHT)
    assert done.reason == done.reports[0].reason
    assert done.key_figures() == done.reports[0].key_figures()


@pytest.mark.usefixtures("range_of_nights")
def test_a_night_that_cannot_be_judged_stops_no_other(isolated: Path) -> None:
    folder = assessment.night_dir(settings.load_settings(), SECOND) / rules.OVERRIDES_DIR
    folder.mkdir(parents=True)
    (folder / "20240117T000000-<script>.json").write_text("{")
    done = range_report.write_range_reports(NIGHT, THIRD)
    assert list(done.failed) == [SECOND]
    assert [one.content.night for one in done.reports] == [NIGHT, THIRD]
    assert done.outcome is Outcome.PARTIAL
    assert done.to_dict()["verdict"] == "FAIL"
    assert "<script" not in done._repr_html_()
    assert SECOND in str(done)


def test_what_is_no_night_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="end: must be a date"):
        range_report.write_range_reports(NIGHT, "20240231")


@pytest.mark.usefixtures("range_of_nights")
def test_the_command_takes_a_range() -> None:
    done = CliRunner().invoke(app, ["report", NIGHT, THIRD])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].startswith("3 nights: 2 PASS, 1 ")
