"""Every link of a demo site leads somewhere, from disk and on JupyterLab's server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests import nights
from tests.browser.conftest import Lab, kpfnb
from tests.browser.crawler import Crawl, crawl, look_at, read_from_disk

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STARTS = (
    "runs/index.html", "kpf/QLP/index.html", "timeseries/index.html", "scorecard.html",
    "prepared/keck_deimos/reorganised.html",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(lab_home: Path, night: nights.SimulatedNight) -> Path:
    """The pages of a night, of its database, of stars, of frames and of reductions."""
    kpfnb(lab_home, "progress", night.night, check=False)
    kpfnb(lab_home, "reprocess", night.night, check=False)
    kpfnb(lab_home, "quicklook", night.night, "--l1", "--master", check=False)
    for command in ("ingest", "verdict", "report"):
        kpfnb(lab_home, command, night.night, check=False)
    for notebook in ("progress", "tonight", "reprocess"):
        parameter = "targets" if notebook == "reprocess" else "start"
        parameter = "night" if notebook == "tonight" else parameter
        kpfnb(lab_home, "run", notebook, "-p", f"{parameter}={night.night}", check=False)
    kpfnb(lab_home, "timeseries", "--start", night.night, check=False)
    kpfnb(lab_home, "star", "--all", check=False)
    kpfnb(lab_home, "demo", "reductions", "work/datasets")
    kpfnb(lab_home, "scorecard", "page", "work/datasets", "-o", "work/scorecard.html")
    kpfnb(lab_home, "demo", "frames")
    prepared = ("work/incoming", "work/prepared/keck_deimos", "--spectrograph", "keck_deimos")
    kpfnb(lab_home, "prepare", "frames", *prepared, check=False)
    kpfnb(lab_home, "runs", "site")
    return lab_home / "work"


def start_paths(site: Path) -> list[str]:
    missing = [start for start in STARTS if not (site / start).is_file()]
    assert missing == []
    return [quote(str(site / start)) for start in STARTS]


@pytest.fixture(scope="module")
def on_disk(site: Path) -> Crawl:
    return crawl(start_paths(site), read_from_disk)


@pytest.fixture(scope="module")
def on_server(site: Path, lab: Lab) -> Crawl:
    def read(path: str) -> str:
        answer = lab.get(path)
        while answer.status in (301, 302):
            answer = lab.get(answer.headers["Location"])
        if answer.status >= 400:
            raise LookupError(answer.status)
        is_page = answer.headers["Content-Type"].startswith("text/html") and "/files/" in path
        return answer.text if is_page else ""

    return crawl([f"{lab.home}files{path}" for path in start_paths(site)], read)


def test_every_link_of_the_pages_on_disk_leads_somewhere(on_disk: Crawl) -> None:
    assert on_disk.problems == []


def test_every_kind_of_page_is_there(on_disk: Crawl) -> None:
    """What this test follows is not less than what there is."""
    for part in (
        "/runs/nights/", "/verdict.html", "/runs/days/", "/report.html", "/QLP/", "/Masters/",
        "/timeseries/day/", "/runs/datasets/",
    ):  # fmt: skip
        assert [page for page in on_disk.pages if part in page], part


def test_every_link_through_jupyterlab_leads_somewhere(on_server: Crawl, on_disk: Crawl) -> None:
    assert on_server.problems == []
    paths = {page.partition("/files")[2] for page in on_server.pages}
    assert paths >= {*on_disk.pages}


def test_pages_from_disk_look_right(on_disk: Crawl, browser: Any) -> None:
    page = browser.new_page()
    problems = [look_at(page, f"file://{path}") for path in on_disk.pages_of_each_kind()]
    page.close()
    assert [*chain(*problems)] == []


@pytest.fixture
def person(browser: Any, lab: Lab) -> Iterator[Any]:
    """A page of a browser that is logged in."""
    page = browser.new_page()
    # Not JupyterLab, whose requests would fail when the next page is opened
    page.goto(lab.page_address("observation/none"))
    yield page
    page.close()


def test_pages_through_jupyterlab_look_right(on_server: Crawl, person: Any, lab: Lab) -> None:
    server = lab.url.removesuffix("/")
    problems = [look_at(person, server + path) for path in on_server.pages_of_each_kind()]
    assert [*chain(*problems)] == []


def test_the_search_of_the_runs_works_through_jupyterlab(site: Path, person: Any, lab: Lab) -> None:
    """Its script, and the index that it loads, are the only ones that the policy allows."""
    person.goto(lab.url.removesuffix("/") + lab.file_path(site / "runs/index.html"))
    person.get_by_role("searchbox").first.fill("tonight")
    expect(person.locator("#runs tbody tr")).to_have_count(1)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """The crawler itself can fail."""
    (tmp_path / "a.html").write_text("<a href='b.html'></a><img src='c.png'><a href='#d'></a>")
    (tmp_path / "b.html").write_text("<a href='a.html#x'></a>")
    found = crawl([f"{tmp_path}/a.html"], read_from_disk)
    assert found.pages == [f"{tmp_path}/a.html", f"{tmp_path}/b.html"]
    assert len(found.problems) == 2
    assert "c.png" in found.problems[-1]


def test_a_page_that_looks_wrong_is_noticed(tmp_path: Path, browser: Any) -> None:
    (tmp_path / "a.html").write_text("<img src='c.png'><script>throw Error('wrong')</script>")
    page = browser.new_page()
    problems = " ".join(look_at(page, f"file://{tmp_path}/a.html"))
    page.close()
    for words in ("broken picture c.png", "no style sheet", "wrong", "not loaded"):
        assert words in problems
