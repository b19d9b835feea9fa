"""What a row about an observation leads to: header, quicklook page, the DRP's own words."""

from __future__ import annotations

import pytest

from kpfnb import runs, settings
from kpfnb.errors import BadInput
from kpfnb.kpf import evidence
from kpfnb.kpf.obsid import ObsID
from tests import nights


@pytest.fixture
def obsid() -> str:
    night = nights.small_night(settings.load().kpf_root)
    names = sorted((settings.load().kpf_root / "L0" / night.night).glob("*.fits"))
    return names[0].stem


def test_the_header_and_no_page_yet(obsid: str) -> None:
    page = evidence.of({"obsid": obsid})
    assert f"<h4>{obsid}</h4>" in page
    assert "<th scope='row'>OBJECT</th>" in page
    assert "no quicklook page yet" in page


def test_the_quicklook_page_and_what_the_drp_said(obsid: str) -> None:
    here = settings.load()
    place = here.qlp_path / ObsID(obsid).night / obsid
    place.mkdir(parents=True)
    (place / "index.html").touch()
    record = runs.begin("reprocess")
    failed = [{"name": obsid, "reason": "no 2D", "log": "/x/drp.log", "excerpt": "<b>ValueError"}]
    runs.write_result(record, {"outcome": "failed", "reason": "", "values": {"failed": failed}})
    page = evidence.of({"name": f"{obsid}_2D.fits"})
    assert "no quicklook page yet" not in page
    assert "<pre>&lt;b&gt;ValueError</pre>" in page


def test_an_l0_that_is_gone_is_told() -> None:
    page = evidence.of({"obsid": "KP.20240115.00001.00"})
    assert "no header: " in page
    assert "missing" in page


def test_a_row_without_an_observation() -> None:
    with pytest.raises(BadInput, match="is not an ObsID"):
        evidence.of({"night": "20240115"})
