"""The static site: a page for each period that was drawn, and the way between them.

Beside each page its `page.json` keeps what it shows; pages are made from these records, and
written only where they differ. No scripts, nothing from elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from kpfnb import files, settings
from kpfnb.errors import BadInput
from kpfnb.kpf.timeseries import period as periods
from kpfnb.kpf.timeseries.period import CALENDAR, Interval, Period
from kpfnb.runs import view

FOLDER = "timeseries"
RECORD = "page.json"
RECENT = 14
STYLE = ("style.css", "timeseries.css")
LONGER = {
    Interval.ALL: "everything, and free ranges",
    Interval.DECADE: "decades",
    Interval.YEAR: "years",
    Interval.MONTH: "months",
}
"""The headings of the index."""


class Shown(NamedTuple):
    """A panel on a page; without a `picture` it had no data. `head` and `rows` are its table.

    Attributes
    ----------
    width, height : of the picture, pixels: a page whose pictures come late must not jump
    """

    name: str
    group: str
    title: str
    note: str
    picture: str = ""
    width: int = 0
    height: int = 0
    missing: tuple[str, ...] = ()
    beyond: int = 0
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Page:
    """What a page shows, of which data (`mark`; '' where not all of it), and when it was drawn."""

    period: Period
    mark: str = ""
    drawn: str = ""
    panels: tuple[Shown, ...] = ()


class Link(NamedTuple):
    """A link of a page."""

    text: str
    target: str


def folder() -> Path:
    """Where the site is."""
    return settings.load().work_dir / FOLDER


def read(top: Path, period: Period) -> Page:
    """The record of a period's page; an empty one where there is none, or none that is whole."""
    path = top / period.path / RECORD
    try:
        found = files.read_json(path)
        panels = [
            Shown(**{**one, "rows": tuple(map(tuple, one["rows"]))}) for one in found["panels"]
        ]
        whole = all((path.parent / one.picture).is_file() for one in panels if one.picture)
        return Page(period, found["mark"] if whole else "", found["drawn"], tuple(panels))
    except (FileNotFoundError, BadInput, KeyError, TypeError):
        # It is drawn anew
        return Page(period)


def write(top: Path, page: Page) -> None:
    """Write a page's record, and take away the pictures that it no longer shows."""
    place = top / page.period.path
    panels = [one._asdict() for one in page.panels]
    record = {"period": asdict(page.period), "mark": page.mark, "drawn": page.drawn}
    files.write_json(place / RECORD, {**record, "panels": panels})
    kept = {one.picture for one in page.panels}
    for picture in place.glob("*.png"):
        if picture.name not in kept and not picture.name.startswith(files.TEMPORARY_PREFIX):
            picture.unlink()


def update(top: Path, changed: Iterable[Period]) -> None:
    """Write the pages of changed periods, those that lead to them, and the index."""
    there = _existing(top)
    affected: dict[Period, None] = {}
    for one in changed:
        same = there[one.interval]
        # Another process may have drawn "all" anew, to a later night, or have taken one away
        at = next((place for place, other in enumerate(same) if other.path == one.path), None)
        if at is None:
            continue
        affected |= dict.fromkeys(same[max(0, at - 1) : at + 2])
        if one.interval in CALENDAR:
            affected |= dict.fromkeys(up for up in one.parents() if up in there[up.interval])
            affected |= dict.fromkeys(_children(one, there))
    for name in STYLE:
        files.update_text(
            top / name, str(view.environment().loader.get_source(view.environment(), name)[0])
        )
    for one in affected:
        files.update_text(top / one.path / "index.html", page(read(top, one), there))
    files.update_text(top / "index.html", index(there))


def page(shown: Page, there: dict[Interval, list[Period]]) -> str:
    """A period's page as HTML."""
    template = view.environment().get_template("timeseries.html")
    groups = [(name, list(some)) for name, some in groupby(shown.panels, lambda one: one.group)]
    return str(
        template.render(
            title=shown.period.title,
            top="../../",
            links=_ways(shown.period, there),
            children=[_link(one, "../../") for one in _children(shown.period, there)],
            groups=[
                (
                    name,
                    [one for one in some if one.picture],
                    [one for one in some if not one.picture],
                )
                for name, some in groups
            ],
            drawn=_local(shown.drawn),
        )
    )


def index(there: dict[Interval, list[Period]]) -> str:
    """The index of the site as HTML."""
    template = view.environment().get_template("timeseries-index.html")
    days = there[Interval.DAY]
    months = [
        (month, [Link(str(int(one.name[6:])), f"{one.path}/index.html") for one in some])
        for month, some in groupby(days, key=lambda one: f"{one.name[:4]}-{one.name[4:6]}")
    ]
    return str(
        template.render(
            title="Time series",
            latest=[_link(one, "") for one in days[-RECENT:][::-1]],
            longer=[
                (LONGER[each], [_link(one, "") for one in there[each]][::-1])
                for each in LONGER
                if there[each]
            ],
            months=months[::-1],
        )
    )


def _existing(top: Path) -> dict[Interval, list[Period]]:
    """The periods that have a record, oldest first; free ranges only where it is whole."""
    found: dict[Interval, list[Period]] = defaultdict(list)
    for interval in Interval:
        for record in sorted((top / interval).glob(f"*/{RECORD}")):
            name = record.parent.name
            if interval in CALENDAR:
                night = name.removesuffix("s").ljust(6, "0").ljust(8, "0")
                night = f"{night[:4]}{max(night[4:6], '01')}{max(night[6:8], '01')}"
                found[interval].append(periods.containing(interval, night))
            else:
                # A damaged one has no page until it is asked for again
                with suppress(BadInput, KeyError, TypeError):
                    own = files.read_json(record)["period"]
                    found[interval].append(Period(interval, name, own["first"], own["last"]))
    return found


def _ways(period: Period, there: dict[Interval, list[Period]]) -> list[Link]:
    """Up, back and on."""
    ups = period.parents() if period.interval in CALENDAR else []
    links = [Link("all pages", "../../index.html")]
    links += [_link(up, "../../") for up in ups[::-1] if up in there[up.interval]]
    same = there[period.interval]
    at = same.index(period)
    if at > 0:
        links.append(_link(same[at - 1], "../../", "← {}"))
    if at + 1 < len(same):
        links.append(_link(same[at + 1], "../../", "{} →"))
    return links


def _children(period: Period, there: dict[Interval, list[Period]]) -> Sequence[Period]:
    """The periods of the next shorter interval that are in it."""
    if period.interval not in CALENDAR[1:]:
        return []
    shorter = CALENDAR[CALENDAR.index(period.interval) - 1]
    return [one for one in there[shorter] if period.covers(one.first)]


def _link(period: Period, top: str, form: str = "{}") -> Link:
    return Link(form.format(period.title), f"{top}{period.path}/index.html")


def _local(stamp: str) -> str:
    if not stamp:
        return ""
    zone = settings.load().zone
    return datetime.fromisoformat(stamp).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
