"""What a row about an observation leads to: header, quicklook page, the DRP's own words."""

from __future__ import annotations

import pytest

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.reprocess import observation_details
from tests import nights


@pytest.fixture
def obsid() -> str:
    night = nights.small_night(settings.load_settings().kpf_root)
    names = sorted((settings.load_settings().kpf_root / "L0" / night.night).glob("*.fits"))
    return names[0].stem


def test_the_header_and_no_page_yet(obsid: str) -> None:
    page = observation_details.details_html({"obsid": obsid})
    assert f"<h4>{obsid}</h4>" in page
    assert "<th scope='row'>OBJECT</th>" in page
    assert "no quicklook page yet" in page


def test_the_quicklook_page_and_the_messages_of_the_drp(obsid: str) -> None:
    config = settings.load_settings()
    place = config.qlp_path / ObsID(obsid).night / obsid
    place.mkdir(parents=True)
    (place / "index.html").touch()
    record = runs.start_run("reprocess")
    failed = [{"name": obsid, "reason": "no 2D", "log": "/x/drp.log", "excerpt": "<b>ValueError"}]
    runs.write_result(record, {"outcome": "failed", "reason": "", "values": {"failed": failed}})
    page = observation_details.details_html({"name": f"{obsid}_2D.fits"})
    assert "no quicklook page yet" not in page
    assert "<pre>&lt;b&gt;ValueError</pre>" in page


def test_a_missing_l0_is_reported() -> None:
    page = observation_details.details_html({"obsid": "KP.20240115.00001.00"})
    assert "no header: " in page
    assert "missing" in page


def test_a_row_without_an_observation() -> None:
    with pytest.raises(InvalidInputError, match="is not an ObsID"):
        observation_details.details_html({"night": "20240115"})
