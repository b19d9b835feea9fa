"""A range of nights: each is judged and has its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb import settings
from kpfnb.cli import app
from kpfnb.demo.headernight import COUNTS, Fault, plant
from kpfnb.errors import BadParameter
from kpfnb.kpf.nightreport import several
from kpfnb.kpf.verdict import assessing, overrides, pages
from kpfnb.outcomes import Outcome
from kpfnb.result import Result
from tests.kpf.verdict.conftest import NIGHT, SMALL

SECOND, THIRD = "20240116", "20240118"


@pytest.fixture
def range_of_nights(isolated: Path) -> None:
    plant(isolated / "data", NIGHT, COUNTS, sizes=SMALL)
    plant(
        isolated / "data", SECOND, COUNTS, Fault.NO_MASTER_BIAS, Fault.ONE_L2_MISSING, sizes=SMALL
    )
    plant(isolated / "data", THIRD, COUNTS, sizes=SMALL)


@pytest.mark.usefixtures("range_of_nights")
def test_every_night_of_a_range_is_judged() -> None:
    done = several.make(NIGHT, THIRD, verdict=assessing.assess(NIGHT, accept="PASS"))
    assert isinstance(done, Result)
    nights = [one.content.night for one in done.reports]
    assert nights == [NIGHT, SECOND, THIRD]
    assert done.outcome is Outcome.PARTIAL
    assert list(assessing.history()) == nights
    for night in nights:
        assert (pages.place(settings.load(), night) / pages.REPORT).is_file()
    assert done.reason.startswith("3 nights: 2 PASS, 1 ")
    assert SECOND in done.reason
    assert list(done.to_frame()["night"]) == nights
    assert done.figures()["observations"] == 3 * 52
    assert done.to_dict()["verdict"] != "PASS"
    assert done.plot().axes
    assert done._repr_html_().count("<li>") == 3


@pytest.mark.usefixtures("range_of_nights")
def test_newest_first_where_the_range_is_so() -> None:
    done = several.make(THIRD, SECOND)
    assert [one.content.night for one in done.reports] == [THIRD, SECOND]
    assert done.outcome is Outcome.SUCCEEDED


@pytest.mark.usefixtures("range_of_nights")
def test_one_night_is_told_as_itself() -> None:
    done = several.make(NIGHT)
    assert done.reason == done.reports[0].reason
    assert done.figures() == done.reports[0].figures()


@pytest.mark.usefixtures("range_of_nights")
def test_a_night_that_cannot_be_judged_stops_no_other(isolated: Path) -> None:
    folder = assessing.folder(settings.load(), SECOND) / overrides.FOLDER
    folder.mkdir(parents=True)
    (folder / "20240117T000000-<script>.json").write_text("{")
    done = several.make(NIGHT, THIRD)
    assert list(done.failed) == [SECOND]
    assert [one.content.night for one in done.reports] == [NIGHT, THIRD]
    assert done.outcome is Outcome.PARTIAL
    assert done.to_dict()["verdict"] == "FAIL"
    assert "<script" not in done._repr_html_()
    assert SECOND in str(done)


def test_what_is_no_night_is_refused() -> None:
    with pytest.raises(BadParameter, match="end: must be a date"):
        several.make(NIGHT, "20240231")


@pytest.mark.usefixtures("range_of_nights")
def test_the_command_takes_a_range() -> None:
    done = CliRunner().invoke(app, ["report", NIGHT, THIRD])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].startswith("3 nights: 2 PASS, 1 ")
