"""The quicklook pages: one per observation, per night's masters and per night, and one of nights.

Pages are rendered from the records beside the products, so any process can write them at any time.
They need no script; all text in them is escaped. One process at a time writes the pages of a night.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from time import time
from typing import Any

from kpfnb.core import atomic, locks
from kpfnb.core.clock import utc_now
from kpfnb.core.errors import AlreadyRunningError
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN
from kpfnb.kpf.quicklook.record import REPORTS_DIR, QuicklookRecord, read_record, record_path
from kpfnb.kpf.quicklook.record_view import (
    count_verdicts,
    find_neighbours,
    level_context,
    night_row_context,
)
from kpfnb.kpf.quicklook.targets import MASTER, MASTERS_PRODUCTS, QuicklookTarget
from kpfnb.runs import formatting, report
from kpfnb.runs.formatting import PageLink

PAGE = "index.html"
STATE_DIR = ".kpfnb"
LOCK_SECONDS = 60.0
NIGHT_INTERVAL_SECONDS = 5.0
"""While products appear, the page of a night is not written more often than this."""

REFRESH_SECONDS = 60
RECENT_DAYS = 2
"""The pages of nights up to this age reload themselves."""

logger = logging.getLogger(__name__)


def update_pages(products: Path, target: QuicklookTarget) -> None:
    """Write the pages that show a target, once its record is written."""
    night = products / target.night
    with _page_lock(night) as is_locked:
        if not is_locked:
            # `update_all_pages` finds pages that are older than their records
            return
        if target.level == MASTER:
            _write_masters(night)
        else:
            _write_observation(night, target.name)
        if _file_age(night / PAGE) > NIGHT_INTERVAL_SECONDS:
            _write_night(products, night)


def update_all_pages(products: Path, nights: Iterable[str]) -> list[str]:
    """Update the outdated pages of some nights, and the page of all nights.

    This includes pages that a killed process did not write. Returns the nights whose pages are
    still outdated because another process keeps them locked.
    """
    locked = []
    for name in sorted(set(nights)):
        night = products / name
        if not _is_outdated(night):
            continue
        with _page_lock(night) as is_locked:
            if is_locked:
                _update_night(products, night)
            elif _is_outdated(night):
                locked.append(name)
    # A night of one file has its page from `update_pages`, and may still be new here
    html = _render_template(
        "quicklook_nights.html", title="Quicklook: all nights", months=_list_months(products)
    )
    atomic.write_text_if_changed(products / PAGE, html)
    return locked


def _update_night(products: Path, night: Path) -> None:
    for obsid in _list_observations(night):
        product_dir = night / obsid
        if _newest_record_time(product_dir) > _modified_time(product_dir / PAGE):
            _write_observation(night, obsid)
    if (night / MASTERS_PRODUCTS).is_dir():
        _write_masters(night)
    _write_night(products, night)


def _is_outdated(night: Path) -> bool:
    """True if any page is older than a record that it shows."""
    if not night.is_dir():
        return False
    observations = {
        product_dir: _newest_record_time(product_dir)
        for product_dir in map(night.joinpath, _list_observations(night))
    }
    masters = max(map(_newest_record_time, (night / MASTERS_PRODUCTS).glob("*/")), default=0.0)
    return (
        max([masters, *observations.values()]) > _modified_time(night / PAGE)
        or masters > _modified_time(night / MASTERS_PRODUCTS / PAGE) > 0
        or any(newest > _modified_time(path / PAGE) for path, newest in observations.items())
    )


@contextmanager
def _page_lock(night: Path) -> Iterator[bool]:
    """Lock the pages of a night; False if another process keeps them locked for too long."""
    try:
        with locks.acquire_lock("pages", folder=night / STATE_DIR, wait_seconds=LOCK_SECONDS):
            yield True
    except AlreadyRunningError as error:
        logger.warning("the pages of %s are not up to date: %s", night.name, error)
        yield False


def _write_observation(night: Path, obsid: str) -> None:
    names = _list_observations(night)
    neighbours = find_neighbours(names, obsid)
    is_new = not (night / obsid / PAGE).exists()
    _write_observation_page(night, obsid, neighbours)
    if is_new:
        for neighbour in filter(None, neighbours):
            _write_observation_page(night, neighbour, find_neighbours(names, neighbour))


def _write_observation_page(night: Path, obsid: str, neighbours: tuple[str, str]) -> None:
    records = _observation_records(night / obsid, obsid)
    if not records:
        return
    earlier, later = (_neighbour_link(name) for name in neighbours)
    _write_page(
        night / obsid / PAGE,
        "quicklook_observation.html",
        title=obsid,
        heading=_best_record(records).heading,
        levels=[level_context(record) for record in records],
        earlier=earlier,
        later=later,
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
    )


def _neighbour_link(name: str) -> PageLink | None:
    return PageLink(name, f"../{name}/{PAGE}") if name else None


def _write_masters(night: Path) -> None:
    masters_dir = night / MASTERS_PRODUCTS
    kind_dirs = [path for path in sorted(masters_dir.iterdir()) if path.is_dir()]
    kinds = [(path.name, _kind_records(path)) for path in kind_dirs]
    _write_page(
        masters_dir / PAGE,
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


def _kind_records(kind_dir: Path) -> list[QuicklookRecord]:
    """The records of the masters of one kind."""
    records = (read_record(path) for path in sorted((kind_dir / REPORTS_DIR).glob("*.json")))
    return [record for record in records if record]


def _write_night(products: Path, night: Path) -> None:
    is_new = not (night / PAGE).exists()
    _write_night_page(products, night)
    if is_new:
        for neighbour in filter(None, find_neighbours(_list_nights(products), night.name)):
            _write_night_page(products, products / neighbour)


def _write_night_page(products: Path, night: Path) -> None:
    observations = [
        records
        for obsid in _list_observations(night)
        if (records := _observation_records(night / obsid, obsid))
    ]
    neighbours = find_neighbours(_list_nights(products), night.name)
    earlier, later = (_neighbour_link(name) for name in neighbours)
    masters = f"{MASTERS_PRODUCTS}/{PAGE}"
    _write_page(
        night / PAGE,
        "quicklook_night.html",
        title=f"Night {night.name}",
        counts=count_verdicts(record for records in observations for record in records),
        levels=list(KPF.levels),
        rows=[night_row_context(records, _best_record(records), PAGE) for records in observations],
        masters=PageLink("masters", masters) if (night / masters).exists() else None,
        earlier=earlier,
        later=later,
        nights=PageLink("all nights", f"../{PAGE}"),
        refresh_seconds=REFRESH_SECONDS if _is_recent(night.name) else 0,
    )


def _write_page(path: Path, template: str, **values: Any) -> None:
    atomic.write_text(path, _render_template(template, **values))


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


def _observation_records(product_dir: Path, obsid: str) -> list[QuicklookRecord]:
    """The records of an observation that exist, in the order of levels."""
    records = (read_record(record_path(product_dir, obsid, level)) for level in KPF.levels)
    return [record for record in records if record]


def _best_record(records: Sequence[QuicklookRecord]) -> QuicklookRecord:
    """The record with most facts about the exposure: the highest level that could be read."""
    return next((record for record in reversed(records) if not record.error), records[-1])


def _list_observations(night: Path) -> list[str]:
    return sorted(path.name for path in night.iterdir() if KPF.obsid_pattern.fullmatch(path.name))


def _list_nights(products: Path) -> list[str]:
    return sorted(
        path.name
        for path in products.iterdir()
        if NIGHT_PATTERN.fullmatch(path.name) and (path / PAGE).exists()
    )


def _list_months(products: Path) -> list[tuple[str, list[PageLink]]]:
    newest_first = reversed(_list_nights(products))
    return [
        (f"{month[:4]}-{month[4:]}", [PageLink(night, f"{night}/{PAGE}") for night in nights])
        for month, nights in groupby(newest_first, key=lambda night: night[:6])
    ]


def _newest_record_time(product_dir: Path) -> float:
    paths = (product_dir / REPORTS_DIR).glob("*.json")
    try:
        return max((path.stat().st_mtime for path in paths), default=0.0)
    except OSError:
        return 0.0


def _modified_time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0


def _file_age(path: Path) -> float:
    return time() - _modified_time(path)


def _is_recent(night: str) -> bool:
    return night > f"{utc_now() - timedelta(days=RECENT_DAYS):%Y%m%d}"
