"""The gallery of a notebook, and the rows of its table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kpfnb.kpf.quicklook import gallery
from kpfnb.kpf.quicklook.gallery import QuicklookGallery, result_table
from kpfnb.kpf.quicklook.record import Picture, QuicklookRecord, write_record
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult
from kpfnb.notebook.links import LAB_URL_VARIABLE

NAMES = ("KP.20240115.00001.00", "KP.20240115.00002.00")
LEVELS = ("L0", "2D", "L1", "L2")


@pytest.fixture
def result(tmp_path: Path) -> QuicklookResult:
    """Two observations, each with four levels of five pictures."""
    items = []
    for name in NAMES:
        folder = tmp_path / "20240115" / name
        for level in LEVELS:
            pictures = tuple(
                Picture(level, f"Plot {n} of {level} <i>", f"{level}/{n}.png", f"{level}/{n}.jpg")
                for n in range(5)
            )
            (folder / level).mkdir(parents=True)
            for picture in pictures:
                (folder / picture.thumbnail).write_bytes(b"x" * 1000)
            made = QuicklookRecord(
                name=name, level=level, night="20240115", file=f"/x/{name}_{level}.fits", size=1,
                mtime_ns=1, made="2024-01-16T00:00:00Z", pictures=pictures,
            )  # fmt: skip
            write_record(folder, made)
            page = f"20240115/{name}/index.html"
            items.append(QuicklookItem.from_record(made, QuicklookOutcome.MADE, page))
    return QuicklookResult(tmp_path, tuple(items))


def test_every_picture_leads_to_the_full_one(
    result: QuicklookResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAB_URL_VARIABLE, "/kpfnb/")
    html = QuicklookGallery.from_result(result, 2)._repr_html_()
    links = re.findall(r'<a href="([^"]+\.png)"[^>]*><img', html)
    assert len(links) == html.count("<img") == 40
    assert links[0].endswith(f"/20240115/{NAMES[0]}/L0/0.png")
    assert "<i>" not in html and "more picture" not in html


def test_where_room_is_short_all_levels_are_shown_and_the_rest_is_a_link(
    result: QuicklookResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAB_URL_VARIABLE, "/kpfnb/")
    monkeypatch.setattr(gallery, "GALLERY_BYTES", 8 * 3000)
    html = QuicklookGallery.from_result(result, 2)._repr_html_()
    for name in NAMES:
        for level in LEVELS:
            assert f"{name}/{level}/0.png" in html
            assert re.search(rf'{name}/index.html#{level}"[^>]*>and [23] more pictures</a>', html)


def test_outside_of_jupyterlab_the_page_is_named(
    result: QuicklookResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LAB_URL_VARIABLE, raising=False)
    monkeypatch.setattr(gallery, "GALLERY_BYTES", 0)
    html = QuicklookGallery.from_result(result, 1)._repr_html_()
    assert "<a " not in html
    assert f"and 4 more pictures on the page of quicklook: {result.products}" in html


def test_rows_of_the_table_lead_to_their_pages(
    result: QuicklookResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAB_URL_VARIABLE, "/kpfnb/")
    names = list(result_table(result)["name"])
    assert f'{NAMES[0]}/index.html" target="_blank"' in names[0]
    monkeypatch.delenv(LAB_URL_VARIABLE)
    assert next(iter(result_table(result)["name"])) == f"{NAMES[0]}_L0.fits"
