"""The reports of a range: each night is assessed and has its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, NightFault, write_night
from kpfnb.kpf.nightreport.report import write_range_reports
from kpfnb.kpf.verdict import assessment, pages, rules
from kpfnb.notebook.display import figures
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
def test_every_night_of_a_range_is_assessed() -> None:
    result = write_range_reports(
        NIGHT, THIRD, verdict=assessment.assess_night(NIGHT, accept="PASS")
    )
    assert isinstance(result, Result)
    nights = [report.content.night for report in result.reports]
    assert nights == [NIGHT, SECOND, THIRD]
    assert result.outcome is Outcome.PARTIAL
    assert list(assessment.load_history()) == nights
    for night in nights:
        assert (pages.page_dir(settings.load_settings(), night) / pages.REPORT_PAGE).is_file()
    assert result.reason.startswith("3 nights: 2 PASS, 1 ")
    assert SECOND in result.reason
    assert list(result.to_frame()["night"]) == nights
    assert result.key_figures()["observations"] == 3 * 68
    assert result.to_dict()["verdict"] != "PASS"
    assert figures.plot(result).axes
    assert result._repr_html_().count("<li>") == 3


@pytest.mark.usefixtures("range_of_nights")
def test_a_reversed_range_is_newest_first() -> None:
    result = write_range_reports(THIRD, SECOND)
    assert [report.content.night for report in result.reports] == [THIRD, SECOND]
    assert result.outcome is Outcome.SUCCEEDED


@pytest.mark.usefixtures("range_of_nights")
def test_a_range_of_one_night_reads_like_that_night() -> None:
    result = write_range_reports(NIGHT)
    assert result.reason == result.reports[0].reason
    assert result.key_figures() == result.reports[0].key_figures()


@pytest.mark.usefixtures("range_of_nights")
def test_a_night_that_fails_does_not_stop_the_others(isolated: Path) -> None:
    overrides_dir = assessment.night_dir(settings.load_settings(), SECOND) / rules.OVERRIDES_DIR
    overrides_dir.mkdir(parents=True)
    (overrides_dir / "20240117T000000-<script>.json").write_text("{")
    result = write_range_reports(NIGHT, THIRD)
    assert list(result.failed) == [SECOND]
    assert [report.content.night for report in result.reports] == [NIGHT, THIRD]
    assert result.outcome is Outcome.PARTIAL
    assert result.to_dict()["verdict"] == "FAIL"
    assert "<script" not in result._repr_html_()
    assert SECOND in str(result)


def test_an_invalid_end_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="end: must be a valid date"):
        write_range_reports(NIGHT, "20240231")


@pytest.mark.usefixtures("range_of_nights")
def test_the_command_takes_a_range() -> None:
    result = CliRunner().invoke(app, ["report", NIGHT, THIRD])
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith("3 nights: 2 PASS, 1 ")
