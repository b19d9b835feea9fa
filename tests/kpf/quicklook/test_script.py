"""The script of the pages in a browser, from disk: keys, filter, order, place after a reload."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from kpfnb.kpf.quicklook import site
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import ExposureSummary
from tests.kpf.quicklook.test_site import add
from tests.pages.conftest import chromium  # noqa: F401

pytestmark = pytest.mark.slow

GOOD = QualityCheck(
    "S/N", Verdict.PASS, 3.0, "", "at least 2", "SNR", warn=(2, None), fail=(1, None)
)
BAD = dataclasses.replace(GOOD, verdict=Verdict.FAIL, value=0.5)
NAMES = [f"KP.20240115.{number:03d}00.00" for number in range(60)]


@pytest.fixture
def page(tmp_path: Path, chromium: Any) -> Any:  # noqa: F811
    """The page of a night of 60 observations, one of which fails; messages of the console fail."""
    for number, name in enumerate(NAMES):
        heading = ExposureSummary(
            "HD 1" if number % 2 else "bias", source="Star" if number % 2 else "Bias"
        )
        add(tmp_path, name, checks=(BAD if number == 30 else GOOD,), heading=heading)
    site.update_all_pages(tmp_path, ["20240115"])
    opened = chromium.new_page(viewport={"width": 1280, "height": 800})
    messages: list[str] = []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.goto(f"file://{tmp_path}/20240115/index.html")
    yield opened
    opened.close()
    assert [text for text in messages if "image" not in text] == []


def shown(page: Any) -> list[str]:
    return list(
        page.eval_on_selector_all(".night tbody tr:not([hidden])", "rows => rows.map(r => r.id)")
    )


def test_rows_are_filtered_ordered_and_stay_so(page: Any) -> None:
    assert shown(page)[0] == NAMES[30]
    page.select_option("select[name=order]", "time")
    assert shown(page) == NAMES
    page.select_option("select[name=kind]", "Star")
    assert shown(page) == NAMES[1::2]
    assert page.inner_text("#shown") == "30 of 60 shown"
    page.evaluate("scrollTo(0, 700)")
    page.reload()
    page.wait_for_function("scrollY === 700")
    assert shown(page) == NAMES[1::2]
    page.select_option("select[name=kind]", "")
    page.select_option("select[name=verdict]", "problems")
    assert shown(page) == [NAMES[30]]
    page.select_option("select[name=verdict]", "")
    page.fill("input[name=target]", "hd 00100")
    assert shown(page) == [NAMES[1]]


def test_keys_lead_to_the_neighbours_at_the_same_level(page: Any) -> None:
    page.click(f'td.mono a[href="{NAMES[5]}/index.html"]')
    page.goto(page.url + "#L1")
    for key, number in (("j", 6), ("ArrowRight", 7), ("k", 6), ("ArrowLeft", 5)):
        page.keyboard.press(key)
        page.wait_for_url(f"**/{NAMES[number]}/index.html#L1")


def test_the_comparison_stays_switched_on(page: Any) -> None:
    page.goto(page.url.replace("index.html", f"{NAMES[7]}/index.html"))
    assert page.locator("img:visible").count() == 1
    page.check("input.compare")
    assert page.locator("img:visible").count() == 2
    page.keyboard.press("j")
    page.wait_for_url(f"**/{NAMES[8]}/index.html*")
    assert page.locator("img:visible").count() == 2
