"""Thumbnails in a notebook: the pages of some observations, small, carried in the output itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path

from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.record import REPORTS, Record
from kpfnb.kpf.quicklook.targets import LEVELS

BUDGET_BYTES = 1_500_000


@dataclass(frozen=True)
class Gallery:
    """Some pages, relative to the directory of the products."""

    products: Path
    pages: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Heading, verdicts and pictures of each; what is over the budget is only counted."""
        parts, left = [], BUDGET_BYTES
        for page in self.pages:
            for folder, one in _records((self.products / page).parent):
                text, used = _shown(folder, one, left)
                parts.append(text)
                left -= used
        return "".join(parts) or "<p>no pictures</p>"


def _records(top: Path) -> list[tuple[Path, Record]]:
    """The records of a page, each with the directory of its products: by level, or by master."""
    places = sorted(top.glob(f"{REPORTS}/*.json")) or sorted(top.glob(f"*/{REPORTS}/*.json"))
    found = [(place.parent.parent, one) for place in places if (one := record.read(place))]
    return sorted(found, key=lambda pair: LEVELS.index(pair[1].level))


def _shown(folder: Path, one: Record, left: int) -> tuple[str, int]:
    figures, used, over = [], 0, 0
    for picture in one.pictures:
        try:
            data = base64.b64encode((folder / picture.thumbnail).read_bytes()).decode("ascii")
        except OSError:
            continue
        if used + len(data) > left:
            over += 1
            continue
        used += len(data)
        figures.append(
            '<figure style="margin:0;width:230px">'
            '<img style="width:100%;height:190px;object-fit:contain" '
            f'alt="{escape(picture.title)}" src="data:image/jpeg;base64,{data}">'
            f"<figcaption><small>{escape(picture.title)}</small></figcaption></figure>"
        )
    head = f"<p><b>{escape(one.heading.line(one.name))}</b> · {one.level}: {one.verdict}</p>"
    rest = f"<p>and {over} more pictures</p>" if over else ""
    row = f'<div style="display:flex;flex-wrap:wrap;gap:10px">{"".join(figures)}</div>'
    return f"{head}{row}{rest}", used
