"""Quicklook in a notebook: thumbnails and table rows that lead to pictures and pages."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb.core.text import format_count
from kpfnb.kpf.quicklook.record import REPORTS_DIR, Picture, QuicklookRecord, read_record
from kpfnb.kpf.quicklook.result import QuicklookResult
from kpfnb.kpf.quicklook.targets import LEVELS
from kpfnb.notebook import links

if TYPE_CHECKING:
    import pandas as pd

GALLERY_BYTES = 1_500_000
"""Thumbnails are embedded; each file shows at least one, and an equal share of this size."""

TABLE_COLUMNS = ("name", "level", "target", "result", "verdict")


def result_table(result: QuicklookResult) -> pd.DataFrame:
    """The files of a result; each name leads to its page."""
    frame = result.to_frame()
    table = frame[list(TABLE_COLUMNS)].copy()
    table["name"] = [
        links.link_html(page and links.page_url(result.products / page), name)
        for name, page in zip(frame["name"], frame["page"], strict=True)
    ]
    return table


@dataclass(frozen=True)
class QuicklookGallery:
    """Thumbnails for a notebook, embedded in its output; each leads to its picture.

    pages : relative to the directory of the products
    """

    products: Path
    pages: tuple[str, ...]

    @classmethod
    def from_result(cls, result: QuicklookResult, observations: int = 3) -> QuicklookGallery:
        """The thumbnails of the first observations of a result."""
        pages = dict.fromkeys(item.page for item in result.items if item.page)
        return cls(result.products, tuple(pages)[:observations])

    def _repr_html_(self) -> str:
        """All levels of each observation, with the pictures for which there is room."""
        files = [
            (self.products / page, *file)
            for page in self.pages
            for file in _list_files((self.products / page).parent)
        ]
        parts, bytes_left = [], GALLERY_BYTES
        for number, (page, product_dir, record) in enumerate(files):
            html, bytes_used = _file_html(
                page, product_dir, record, bytes_left // (len(files) - number)
            )
            parts.append(html)
            bytes_left = max(0, bytes_left - bytes_used)
        return "".join(parts) or ("<p>No pictures.</p>" if self.pages else "")


def _list_files(page_dir: Path) -> list[tuple[Path, QuicklookRecord]]:
    """The records of a page, each with the directory of its products: by level, or by master."""
    paths = sorted(page_dir.glob(f"{REPORTS_DIR}/*.json"))
    paths = paths or sorted(page_dir.glob(f"*/{REPORTS_DIR}/*.json"))
    records = [(path.parent.parent, record) for path in paths if (record := read_record(path))]
    return sorted(records, key=lambda pair: LEVELS.index(pair[1].level))


def _file_html(
    page: Path, product_dir: Path, record: QuicklookRecord, size_limit: int
) -> tuple[str, int]:
    """The HTML of a file, and the size of its thumbnails: the first one, and what else fits."""
    figures: list[str] = []
    bytes_used = 0
    for picture, data in _read_thumbnails(product_dir, record):
        if figures and bytes_used + len(data) > size_limit:
            break
        bytes_used += len(data)
        figures.append(_figure_html(product_dir / picture.path, picture.title, data))
    url = links.page_url(page)
    url += f"#{record.level}" if url and record.level in LEVELS[:-1] else ""
    title = links.link_html(url, record.heading.one_line(record.name))
    heading = f"<p><b>{title}</b> · {record.level}: {escape(str(record.verdict))}</p>"
    omitted = len(record.pictures) - len(figures)
    text = f"and {format_count(omitted, 'more picture')} on the page of quicklook: {page}"
    if url:
        text = f"and {format_count(omitted, 'more picture')}"
    more = f"<p>{links.link_html(url, text)}</p>" if omitted else ""
    row = f'<div style="display:flex;flex-wrap:wrap;gap:10px">{"".join(figures)}</div>'
    return f"{heading}{row}{more}", bytes_used


def _read_thumbnails(product_dir: Path, record: QuicklookRecord) -> Iterator[tuple[Picture, str]]:
    for picture in record.pictures:
        try:
            data = (product_dir / picture.thumbnail).read_bytes()
        except OSError:
            continue
        yield picture, base64.b64encode(data).decode("ascii")


def _figure_html(path: Path, title: str, data: str) -> str:
    image = (
        '<img style="display:block;width:100%;height:180px;object-fit:contain;background:#fff" '
        f'alt="{escape(title)}" src="data:image/jpeg;base64,{data}">'
    )
    url = links.page_url(path)
    if url:
        image = f'<a href="{escape(url)}" target="_blank" rel="noopener">{image}</a>'
    return (
        f'<figure style="margin:0;width:270px">{image}'
        f"<figcaption><small>{escape(title)}</small></figcaption></figure>"
    )
