"""The gallery: a page for each observation, for the masters of a night, for each night, for all.

Pages are made from the records beside the products, so any process can make them at any time. They
need no script; all text in them is escaped. The pages of a night are written by one process at a
time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from time import time
from typing import Any

from kpfnb.core import atomic, locks
from kpfnb.core.errors import AlreadyRunningError
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.record import REPORTS_DIR, QuicklookRecord
from kpfnb.kpf.quicklook.record_view import (
    count_verdicts,
    find_neighbours,
    level_context,
    night_row_context,
    page_policy,
)
from kpfnb.kpf.quicklook.targets import MASTER, MASTERS_PRODUCTS, QuicklookTarget
from kpfnb.runs import formatting
from kpfnb.runs.formatting import PageLink

PAGE = "index.html"
STATE_DIR = ".kpfnb"
LOCK_SECONDS = 60.0
NIGHT_EVERY_SECONDS = 5.0
"""While products appear, the page of a night is written no more often."""

REFRESH_SECONDS = 60
FRESH_DAYS = 2
"""The page of a night that is no older shows itself anew."""

logger = logging.getLogger(__name__)


def update_pages(products: Path, target: QuicklookTarget) -> None:
    """Write the pages on which a target is, after its record."""
    night = products / target.night
    with _page_lock(night) as free:
        if not free:
            # `finish` finds pages that are older than their records
            return
        if target.level == MASTER:
            _write_masters(night)
        else:
            _write_observation(night, target.name)
        if _file_age(night / PAGE) > NIGHT_EVERY_SECONDS:
            _write_night(products, night)


def update_all_pages(products: Path, nights: Iterable[str]) -> list[str]:
    """Bring all pages of some nights up to date where they are behind, and the page of all nights.

    What a killed process left without its page is found here too. Gives the nights whose pages are
    behind all the same: another process kept them.
    """
    kept = []
    for name in sorted(set(nights)):
        night = products / name
        if not _is_outdated(night):
            continue
        with _page_lock(night) as free:
            if free:
                _update_night(products, night)
            elif _is_outdated(night):
                kept.append(name)
    # A night of one file has its page from `update`, and is new here all the same
    html = _render_template("quicklook_nights.html", months=_list_months(products))
    atomic.write_text_if_changed(products / PAGE, html)
    return kept


def _update_night(products: Path, night: Path) -> None:
    for obsid in _list_observations(night):
        folder = night / obsid
        if _newest_record_time(folder) > _modified_time(folder / PAGE):
            _write_observation(night, obsid)
    if (night / MASTERS_PRODUCTS).is_dir():
        _write_masters(night)
    _write_night(products, night)


def _is_outdated(night: Path) -> bool:
    """True where some page is older than a record that it shows."""
    if not night.is_dir():
        return False
    own = [
        (folder, _newest_record_time(folder))
        for folder in map(night.joinpath, _list_observations(night))
    ]
    masters = max(map(_newest_record_time, (night / MASTERS_PRODUCTS).glob("*/")), default=0.0)
    newest = max([masters, *(time for _, time in own)])
    return (
        newest > _modified_time(night / PAGE)
        or masters > _modified_time(night / MASTERS_PRODUCTS / PAGE) > 0
        or any(time > _modified_time(folder / PAGE) for folder, time in own)
    )


@contextmanager
def _page_lock(night: Path) -> Iterator[bool]:
    """True while no other process writes the pages of the night; False where one never ends."""
    try:
        with locks.acquire_lock("pages", folder=night / STATE_DIR, wait_seconds=LOCK_SECONDS):
            yield True
    except AlreadyRunningError as error:
        logger.warning("the pages of %s are not up to date: %s", night.name, error)
        yield False


def _write_observation(night: Path, obsid: str) -> None:
    names = _list_observations(night)
    sides = find_neighbours(names, obsid)
    is_new = not (night / obsid / PAGE).exists()
    _write_observation_page(night, obsid, sides)
    if is_new:
        for side in filter(None, sides):
            _write_observation_page(night, side, find_neighbours(names, side))


def _write_observation_page(night: Path, obsid: str, sides: tuple[str, str]) -> None:
    records = _observation_records(night / obsid, obsid)
    if not records:
        return
    earlier, later = (one and PageLink(one, f"../{one}/{PAGE}") for one in sides)
    _write_page(
        night / obsid / PAGE,
        "quicklook_observation.html",
        title=obsid,
        heading=_best_record(records).heading,
        levels=[level_context(one) for one in records],
        earlier=earlier,
        later=later,
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
    )


def _write_masters(night: Path) -> None:
    top = night / MASTERS_PRODUCTS
    found = [(kind.name, _kind_records(kind)) for kind in sorted(top.iterdir()) if kind.is_dir()]
    _write_page(
        top / PAGE,
        "quicklook_masters.html",
        title=f"Masters of {night.name}",
        kinds=[
            (kind, [level_context(one, place=f"{kind}/", label=one.name) for one in records])
            for kind, records in found
            if records
        ],
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
    )


def _kind_records(folder: Path) -> list[QuicklookRecord]:
    """The masters of one kind."""
    found = (record.read_record(file) for file in sorted((folder / REPORTS_DIR).glob("*.json")))
    return [one for one in found if one]


def _write_night(products: Path, night: Path) -> None:
    is_new = not (night / PAGE).exists()
    _write_night_page(products, night)
    if is_new:
        for side in filter(None, find_neighbours(_list_nights(products), night.name)):
            _write_night_page(products, products / side)


def _write_night_page(products: Path, night: Path) -> None:
    every = [
        records
        for obsid in _list_observations(night)
        if (records := _observation_records(night / obsid, obsid))
    ]
    earlier, later = (
        one and PageLink(one, f"../{one}/{PAGE}")
        for one in find_neighbours(_list_nights(products), night.name)
    )
    masters = f"{MASTERS_PRODUCTS}/{PAGE}"
    flat = [one for records in every for one in records]
    _write_page(
        night / PAGE,
        "quicklook_night.html",
        title=f"Night {night.name}",
        counts=count_verdicts(flat),
        levels=list(KPF.levels),
        rows=[night_row_context(records, _best_record(records), PAGE) for records in every],
        masters=PageLink("masters", masters) if (night / masters).exists() else None,
        earlier=earlier,
        later=later,
        nights=PageLink("all nights", f"../{PAGE}"),
        refresh_seconds=REFRESH_SECONDS if _is_fresh(night.name) else 0,
    )


def _write_page(path: Path, template: str, **values: Any) -> None:
    atomic.write_text(path, _render_template(template, **values))


def _render_template(template: str, **values: Any) -> str:
    from markupsafe import Markup

    values.setdefault("refresh_seconds", 0)
    html: str = _template_environment().get_template(template).render(
        # The package's own style sheets
        style=Markup(_style_sheet()), policy=page_policy(_style_sheet()), **values,  # noqa: S704
    )  # fmt: skip
    return html + "\n"


@cache
def _template_environment() -> Any:
    return formatting.template_environment()


@cache
def _style_sheet() -> str:
    environment = _template_environment()
    own: str = environment.loader.get_source(environment, "quicklook.css")[0]
    return formatting.stylesheet() + own


def _observation_records(folder: Path, obsid: str) -> list[QuicklookRecord]:
    """What there is of an observation, level by level."""
    found = (record.read_record(record.record_path(folder, obsid, level)) for level in KPF.levels)
    return [one for one in found if one]


def _best_record(records: Sequence[QuicklookRecord]) -> QuicklookRecord:
    """The record that knows most about the exposure: the highest level that could be read."""
    return next((one for one in reversed(records) if not one.error), records[-1])


def _list_observations(night: Path) -> list[str]:
    return sorted(name.name for name in night.iterdir() if KPF.obsid_pattern.fullmatch(name.name))


def _list_nights(products: Path) -> list[str]:
    return sorted(
        one.name
        for one in products.iterdir()
        if NIGHT_PATTERN.fullmatch(one.name) and (one / PAGE).exists()
    )


def _list_months(products: Path) -> list[tuple[str, list[PageLink]]]:
    newest = reversed(_list_nights(products))
    return [
        (f"{month[:4]}-{month[4:]}", [PageLink(night, f"{night}/{PAGE}") for night in group])
        for month, group in groupby(newest, key=lambda night: night[:6])
    ]


def _newest_record_time(folder: Path) -> float:
    try:
        return max(
            (one.stat().st_mtime for one in (folder / REPORTS_DIR).glob("*.json")), default=0.0
        )
    except OSError:
        return 0.0


def _modified_time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0


def _file_age(path: Path) -> float:
    return time() - _modified_time(path)


def _is_fresh(night: str) -> bool:
    return night > f"{datetime.now(UTC) - timedelta(days=FRESH_DAYS):%Y%m%d}"
