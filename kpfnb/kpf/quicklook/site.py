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

from kpfnb import files, locks
from kpfnb.errors import Busy
from kpfnb.kpf.obsid import KPF, NIGHT
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.pageview import (
    check_counts,
    level_view,
    neighbours,
    night_row,
    page_policy,
)
from kpfnb.kpf.quicklook.record import REPORTS, Record
from kpfnb.kpf.quicklook.targets import MASTER, MASTERS_PRODUCTS, Target
from kpfnb.runs import view
from kpfnb.runs.view import Link

PAGE = "index.html"
STATE_DIR = ".kpfnb"
LOCK_SECONDS = 60.0
NIGHT_EVERY_SECONDS = 5.0
"""While products appear, the page of a night is written no more often."""

REFRESH_SECONDS = 60
FRESH_DAYS = 2
"""The page of a night that is no older shows itself anew."""

logger = logging.getLogger(__name__)


def update(products: Path, target: Target) -> None:
    """Write the pages on which a target is, after its record."""
    night = products / target.night
    with _alone(night) as free:
        if not free:
            # `finish` finds pages that are older than their records
            return
        if target.level == MASTER:
            _write_masters(night)
        else:
            _write_observation(night, target.name)
        if _age(night / PAGE) > NIGHT_EVERY_SECONDS:
            _write_night(products, night)


def finish(products: Path, nights: Iterable[str]) -> list[str]:
    """Bring all pages of some nights up to date where they are behind, and the page of all nights.

    What a killed process left without its page is found here too. Gives the nights whose pages are
    behind all the same: another process kept them.
    """
    kept = []
    for name in sorted(set(nights)):
        night = products / name
        if not _is_behind(night):
            continue
        with _alone(night) as free:
            if free:
                _catch_up(products, night)
            elif _is_behind(night):
                kept.append(name)
    # A night of one file has its page from `update`, and is new here all the same
    html = _html("quicklook_nights.html", months=_months(products))
    files.update_text(products / PAGE, html)
    return kept


def _catch_up(products: Path, night: Path) -> None:
    for obsid in _observations(night):
        folder = night / obsid
        if _newest(folder) > _modified(folder / PAGE):
            _write_observation(night, obsid)
    if (night / MASTERS_PRODUCTS).is_dir():
        _write_masters(night)
    _write_night(products, night)


def _is_behind(night: Path) -> bool:
    """True where some page is older than a record that it shows."""
    if not night.is_dir():
        return False
    own = [(folder, _newest(folder)) for folder in map(night.joinpath, _observations(night))]
    masters = max(map(_newest, (night / MASTERS_PRODUCTS).glob("*/")), default=0.0)
    newest = max([masters, *(time for _, time in own)])
    return (
        newest > _modified(night / PAGE)
        or masters > _modified(night / MASTERS_PRODUCTS / PAGE) > 0
        or any(time > _modified(folder / PAGE) for folder, time in own)
    )


@contextmanager
def _alone(night: Path) -> Iterator[bool]:
    """True while no other process writes the pages of the night; False where one never ends."""
    try:
        with locks.hold("pages", folder=night / STATE_DIR, wait_seconds=LOCK_SECONDS):
            yield True
    except Busy as error:
        logger.warning("the pages of %s are not up to date: %s", night.name, error)
        yield False


def _write_observation(night: Path, obsid: str) -> None:
    names = _observations(night)
    sides = neighbours(names, obsid)
    is_new = not (night / obsid / PAGE).exists()
    _write_one(night, obsid, sides)
    if is_new:
        for side in filter(None, sides):
            _write_one(night, side, neighbours(names, side))


def _write_one(night: Path, obsid: str, sides: tuple[str, str]) -> None:
    records = _records(night / obsid, obsid)
    if not records:
        return
    earlier, later = (one and Link(one, f"../{one}/{PAGE}") for one in sides)
    _write(
        night / obsid / PAGE,
        "quicklook_observation.html",
        title=obsid,
        heading=_best(records).heading,
        levels=[level_view(one) for one in records],
        earlier=earlier,
        later=later,
        night=Link(f"night {night.name}", f"../{PAGE}"),
    )


def _write_masters(night: Path) -> None:
    top = night / MASTERS_PRODUCTS
    found = [(kind.name, _of_kind(kind)) for kind in sorted(top.iterdir()) if kind.is_dir()]
    _write(
        top / PAGE,
        "quicklook_masters.html",
        title=f"Masters of {night.name}",
        kinds=[
            (kind, [level_view(one, place=f"{kind}/", label=one.name) for one in records])
            for kind, records in found
            if records
        ],
        night=Link(f"night {night.name}", f"../{PAGE}"),
    )


def _of_kind(folder: Path) -> list[Record]:
    """The masters of one kind."""
    found = (record.read(file) for file in sorted((folder / REPORTS).glob("*.json")))
    return [one for one in found if one]


def _write_night(products: Path, night: Path) -> None:
    is_new = not (night / PAGE).exists()
    _write_one_night(products, night)
    if is_new:
        for side in filter(None, neighbours(_nights(products), night.name)):
            _write_one_night(products, products / side)


def _write_one_night(products: Path, night: Path) -> None:
    every = [
        records for obsid in _observations(night) if (records := _records(night / obsid, obsid))
    ]
    earlier, later = (
        one and Link(one, f"../{one}/{PAGE}") for one in neighbours(_nights(products), night.name)
    )
    masters = f"{MASTERS_PRODUCTS}/{PAGE}"
    flat = [one for records in every for one in records]
    _write(
        night / PAGE,
        "quicklook_night.html",
        title=f"Night {night.name}",
        counts=check_counts(flat),
        levels=list(KPF.levels),
        rows=[night_row(records, _best(records), PAGE) for records in every],
        masters=Link("masters", masters) if (night / masters).exists() else None,
        earlier=earlier,
        later=later,
        nights=Link("all nights", f"../{PAGE}"),
        refresh_seconds=REFRESH_SECONDS if _is_fresh(night.name) else 0,
    )


def _write(path: Path, template: str, **values: Any) -> None:
    files.write_text(path, _html(template, **values))


def _html(template: str, **values: Any) -> str:
    from markupsafe import Markup

    values.setdefault("refresh_seconds", 0)
    html: str = _environment().get_template(template).render(
        # The package's own style sheets
        style=Markup(_style()), policy=page_policy(_style()), **values,  # noqa: S704
    )  # fmt: skip
    return html + "\n"


@cache
def _environment() -> Any:
    return view.environment()


@cache
def _style() -> str:
    environment = _environment()
    own: str = environment.loader.get_source(environment, "quicklook.css")[0]
    return view.style() + own


def _records(folder: Path, obsid: str) -> list[Record]:
    """What there is of an observation, level by level."""
    found = (record.read(record.path(folder, obsid, level)) for level in KPF.levels)
    return [one for one in found if one]


def _best(records: Sequence[Record]) -> Record:
    """The record that knows most about the exposure: the highest level that could be read."""
    return next((one for one in reversed(records) if not one.error), records[-1])


def _observations(night: Path) -> list[str]:
    return sorted(name.name for name in night.iterdir() if KPF.obsid.fullmatch(name.name))


def _nights(products: Path) -> list[str]:
    return sorted(
        one.name
        for one in products.iterdir()
        if NIGHT.fullmatch(one.name) and (one / PAGE).exists()
    )


def _months(products: Path) -> list[tuple[str, list[Link]]]:
    newest = reversed(_nights(products))
    return [
        (f"{month[:4]}-{month[4:]}", [Link(night, f"{night}/{PAGE}") for night in group])
        for month, group in groupby(newest, key=lambda night: night[:6])
    ]


def _newest(folder: Path) -> float:
    try:
        return max((one.stat().st_mtime for one in (folder / REPORTS).glob("*.json")), default=0.0)
    except OSError:
        return 0.0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0


def _age(path: Path) -> float:
    return time() - _modified(path)


def _is_fresh(night: str) -> bool:
    return night > f"{datetime.now(UTC) - timedelta(days=FRESH_DAYS):%Y%m%d}"
