"""What a row about an observation leads to: header, quicklook page, the DRP's own words."""

from __future__ import annotations

import pytest

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.progress import attempts
from kpfnb.kpf.progress.attempts import Attempt
from kpfnb.kpf.reprocess import observation_details
from kpfnb.notebook import links
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
    assert "kpfnb run reprocess -p targets=" in page
    assert f"kpfnb run quicklook -p start={obsid[3:]}" in page
    assert "complete (" in page
    assert "Last attempt: not known" in page


def test_links_and_the_log_of_the_last_attempt(obsid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(links.LAB_URL_VARIABLE, "/kpfnb/")
    config = settings.load_settings()
    attempt = Attempt(
        root=str(config.kpf_root),
        obsid=obsid,
        ended="2034-01-15T12:03:00Z",
        source="watcher",
        outcome="failed",
        reason="2D missing",
        log="/x/drp.log",
        excerpt="started\nValueError: <b>",
    )
    assert attempts.record_attempts(config, [attempt]) == ""
    page = observation_details.details_html(
        {"name": f"{obsid}_2D.fits", "level": "2D", "reason": "<i>why"}
    )
    assert "<p>2D: &lt;i&gt;why</p>" in page
    assert f'href="/kpfnb/observation/{obsid}"' in page
    assert f'href="/kpfnb/open/reprocess?targets={obsid}"' in page
    assert 'href="/kpfnb/files/x/drp.log"' in page
    assert "watcher, 2034-01-15 02:03, failed: 2D missing" in page
    assert "<pre><b>ValueError: &lt;b&gt;</b>\nstarted</pre>" in page


def test_a_missing_l0_is_reported() -> None:
    page = observation_details.details_html({"obsid": "KP.20240115.00001.00"})
    assert "no header: " in page
    assert "missing" in page


def test_a_row_without_an_observation() -> None:
    with pytest.raises(InvalidInputError, match="is not an ObsID"):
        observation_details.details_html({"night": "20240115"})
