"""Writing the quicklook pages from the records of the products.

A page that is missing or older than a record is written again (`page_files.is_outdated`). So the
pages that link to a new one are written first: a process killed in between starts over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.clock import utc_now
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.page_files import PAGE, PageTime, list_nights, list_observations
from kpfnb.kpf.quicklook.record import REPORTS_DIR, QuicklookRecord, read_record, record_path
from kpfnb.kpf.quicklook.record_view import (
    count_verdicts,
    find_neighbours,
    level_context,
    night_row_context,
)
from kpfnb.kpf.quicklook.targets import MASTERS_PRODUCTS
from kpfnb.runs import formatting, report
from kpfnb.runs.formatting import PageLink

REFRESH_SECONDS = 60
RECENT_DAYS = 2
"""The pages of nights up to this age reload themselves."""


def write_observation(night: Path, obsid: str) -> None:
    """Write the page of an observation; if it is new, those of its neighbours as well."""
    names = list_observations(night)
    if not (night / obsid / PAGE).exists():
        for neighbour in filter(None, find_neighbours(names, obsid)):
            _write_observation_page(night, neighbour, find_neighbours(names, neighbour))
    _write_observation_page(night, obsid, find_neighbours(names, obsid))


def _write_observation_page(night: Path, obsid: str, neighbours: tuple[str, str]) -> None:
    page_time = PageTime.now(night)
    records = observation_records(night / obsid, obsid)
    if not records:
        return
    earlier, later = (_neighbour_link(name) for name in neighbours)
    _write_page(
        night / obsid / PAGE,
        page_time,
        "quicklook_observation.html",
        title=obsid,
        heading=best_record(records).heading,
        levels=[level_context(record) for record in records],
        earlier=earlier,
        later=later,
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
    )


def _neighbour_link(name: str) -> PageLink | None:
    return PageLink(name, f"../{name}/{PAGE}") if name else None


def write_masters(night: Path) -> None:
    """Write the page of the masters of a night."""
    page_time = PageTime.now(night)
    masters_dir = night / MASTERS_PRODUCTS
    kind_dirs = [path for path in sorted(masters_dir.iterdir()) if path.is_dir()]
    kinds = [(path.name, list(_kind_records(path))) for path in kind_dirs]
    _write_page(
        masters_dir / PAGE,
        page_time,
        "quicklook_masters.html",
        title=f"Masters of {night.name}",
        kinds=[
            (
                kind,
                [level_context(record, prefix=f"{kind}/", label=record.name) for record in records],
            )
            for kind, records in kinds
            if records
        ],
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
    )


def _kind_records(kind_dir: Path) -> Iterator[QuicklookRecord]:
    """The records of the masters of one kind."""
    records = (read_record(path) for path in sorted((kind_dir / REPORTS_DIR).glob("*.json")))
    return (record for record in records if record)


def write_night(night: Path) -> None:
    """Write the page of a night; if it is new, those of its neighbours as well."""
    nights = sorted({*list_nights(night.parent), night.name})
    if not (night / PAGE).exists():
        for neighbour in filter(None, find_neighbours(nights, night.name)):
            _write_night_page(night.parent / neighbour, nights)
    _write_night_page(night, nights)


def _write_night_page(night: Path, nights: Sequence[str]) -> None:
    page_time = PageTime.now(night)
    observations = [
        records
        for obsid in list_observations(night)
        if (records := observation_records(night / obsid, obsid))
    ]
    earlier, later = (_neighbour_link(name) for name in find_neighbours(nights, night.name))
    masters = f"{MASTERS_PRODUCTS}/{PAGE}"
    _write_page(
        night / PAGE,
        page_time,
        "quicklook_night.html",
        title=f"Night {night.name}",
        counts=count_verdicts(record for records in observations for record in records),
        levels=list(KPF.levels),
        rows=[night_row_context(records, best_record(records), PAGE) for records in observations],
        masters=PageLink("masters", masters) if (night / masters).exists() else None,
        earlier=earlier,
        later=later,
        nights=PageLink("all nights", f"../{PAGE}"),
        refresh_seconds=REFRESH_SECONDS if _is_recent(night.name) else 0,
    )


def write_nights(products: Path) -> None:
    """Write the page of all nights."""
    newest_first = reversed(list_nights(products))
    months = [
        (f"{month[:4]}-{month[4:]}", [PageLink(night, f"{night}/{PAGE}") for night in nights])
        for month, nights in groupby(newest_first, key=lambda night: night[:6])
    ]
    html = _render_template("quicklook_nights.html", title="Quicklook: all nights", months=months)
    atomic.write_text_if_changed(products / PAGE, html)


def _write_page(path: Path, page_time: PageTime, template: str, **values: Any) -> None:
    atomic.write_text(path, _render_template(template, **values))
    page_time.set_on(path)


def _render_template(template: str, **values: Any) -> str:
    from markupsafe import Markup

    style = _style_sheet()
    html: str = (
        formatting.template_environment()
        .get_template(template)
        .render(
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style, images="'self'"),
            **values,
        )
    )
    return html + "\n"


@cache
def _style_sheet() -> str:
    return formatting.stylesheet() + formatting.template_source("quicklook.css")


def observation_records(product_dir: Path, obsid: str) -> list[QuicklookRecord]:
    """The records of an observation that exist, in the order of levels."""
    records = (read_record(record_path(product_dir, obsid, level)) for level in KPF.levels)
    return [record for record in records if record]


def best_record(records: Sequence[QuicklookRecord]) -> QuicklookRecord:
    """The record with most facts about the exposure: the highest level that could be read."""
    return next((record for record in reversed(records) if not record.error), records[-1])


def _is_recent(night: str) -> bool:
    return night > f"{utc_now() - timedelta(days=RECENT_DAYS):%Y%m%d}"
