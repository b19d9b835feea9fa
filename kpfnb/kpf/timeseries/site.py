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

from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.timeseries import period as periods
from kpfnb.kpf.timeseries.period import CALENDAR, PeriodInterval, TimePeriod
from kpfnb.runs import formatting

SITE_FOLDER = "timeseries"
RECORD_NAME = "page.json"
RECENT_DAYS = 14
STYLE_SHEETS = ("style.css", "timeseries.css")
LONGER_INTERVALS = {
    PeriodInterval.ALL: "everything, and free ranges",
    PeriodInterval.DECADE: "decades",
    PeriodInterval.YEAR: "years",
    PeriodInterval.MONTH: "months",
}
"""The headings of the index."""


class ShownPanel(NamedTuple):
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
class TimeSeriesPage:
    """What a page shows, of which data (`mark`; '' where not all of it), and when it was drawn."""

    period: TimePeriod
    digest: str = ""
    drawn_at: str = ""
    panels: tuple[ShownPanel, ...] = ()


class PeriodLink(NamedTuple):
    """A link of a page."""

    text: str
    target: str


def site_folder() -> Path:
    """Where the site is."""
    return settings.load_settings().work_dir / SITE_FOLDER


def read_page_record(top: Path, period: TimePeriod) -> TimeSeriesPage:
    """The record of a period's page; an empty one where there is none, or none that is whole."""
    path = top / period.path / RECORD_NAME
    try:
        found = atomic.read_json(path)
        panels = [
            ShownPanel(**{**one, "rows": tuple(map(tuple, one["rows"]))}) for one in found["panels"]
        ]
        whole = all((path.parent / one.picture).is_file() for one in panels if one.picture)
        return TimeSeriesPage(period, found["mark"] if whole else "", found["drawn"], tuple(panels))
    except (FileNotFoundError, InvalidInputError, KeyError, TypeError):
        # It is drawn anew
        return TimeSeriesPage(period)


def write_page_record(top: Path, page: TimeSeriesPage) -> None:
    """Write a page's record, and take away the pictures that it no longer shows."""
    place = top / page.period.path
    panels = [one._asdict() for one in page.panels]
    record = {"period": asdict(page.period), "mark": page.digest, "drawn": page.drawn_at}
    atomic.write_json(place / RECORD_NAME, {**record, "panels": panels})
    kept = {one.picture for one in page.panels}
    for picture in place.glob("*.png"):
        if picture.name not in kept and not picture.name.startswith(atomic.TEMPORARY_PREFIX):
            picture.unlink()


def update_site(top: Path, changed: Iterable[TimePeriod]) -> None:
    """Write the pages of changed periods, those that lead to them, and the index."""
    there = _existing_periods(top)
    affected: dict[TimePeriod, None] = {}
    for one in changed:
        same = there[one.interval]
        # Another process may have drawn "all" anew, to a later night, or have taken one away
        at = next((place for place, other in enumerate(same) if other.path == one.path), None)
        if at is None:
            continue
        affected |= dict.fromkeys(same[max(0, at - 1) : at + 2])
        if one.interval in CALENDAR:
            affected |= dict.fromkeys(up for up in one.parents() if up in there[up.interval])
            affected |= dict.fromkeys(_shorter_periods(one, there))
    for name in STYLE_SHEETS:
        atomic.write_text_if_changed(
            top / name,
            str(
                formatting.template_environment().loader.get_source(
                    formatting.template_environment(), name
                )[0]
            ),
        )
    for one in affected:
        atomic.write_text_if_changed(
            top / one.path / "index.html", render_page(read_page_record(top, one), there)
        )
    atomic.write_text_if_changed(top / "index.html", render_index(there))


def render_page(shown: TimeSeriesPage, there: dict[PeriodInterval, list[TimePeriod]]) -> str:
    """A period's page as HTML."""
    template = formatting.template_environment().get_template("timeseries.html")
    groups = [(name, list(some)) for name, some in groupby(shown.panels, lambda one: one.group)]
    return str(
        template.render(
            title=shown.period.title,
            top="../../",
            links=_navigation_links(shown.period, there),
            children=[_page_link(one, "../../") for one in _shorter_periods(shown.period, there)],
            groups=[
                (
                    name,
                    [one for one in some if one.picture],
                    [one for one in some if not one.picture],
                )
                for name, some in groups
            ],
            drawn=_local_time(shown.drawn_at),
        )
    )


def render_index(there: dict[PeriodInterval, list[TimePeriod]]) -> str:
    """The index of the site as HTML."""
    template = formatting.template_environment().get_template("timeseries_index.html")
    days = there[PeriodInterval.DAY]
    months = [
        (month, [PeriodLink(str(int(one.name[6:])), f"{one.path}/index.html") for one in some])
        for month, some in groupby(days, key=lambda one: f"{one.name[:4]}-{one.name[4:6]}")
    ]
    return str(
        template.render(
            title="Time series",
            latest=[_page_link(one, "") for one in days[-RECENT_DAYS:][::-1]],
            longer=[
                (LONGER_INTERVALS[each], [_page_link(one, "") for one in there[each]][::-1])
                for each in LONGER_INTERVALS
                if there[each]
            ],
            months=months[::-1],
        )
    )


def _existing_periods(top: Path) -> dict[PeriodInterval, list[TimePeriod]]:
    """The periods that have a record, oldest first; free ranges only where it is whole."""
    found: dict[PeriodInterval, list[TimePeriod]] = defaultdict(list)
    for interval in PeriodInterval:
        for record in sorted((top / interval).glob(f"*/{RECORD_NAME}")):
            name = record.parent.name
            if interval in CALENDAR:
                night = name.removesuffix("s").ljust(6, "0").ljust(8, "0")
                night = f"{night[:4]}{max(night[4:6], '01')}{max(night[6:8], '01')}"
                found[interval].append(periods.period_containing(interval, night))
            else:
                # A damaged one has no page until it is asked for again
                with suppress(InvalidInputError, KeyError, TypeError):
                    own = atomic.read_json(record)["period"]
                    found[interval].append(TimePeriod(interval, name, own["first"], own["last"]))
    return found


def _navigation_links(
    period: TimePeriod, there: dict[PeriodInterval, list[TimePeriod]]
) -> list[PeriodLink]:
    """Up, back and on."""
    ups = period.parents() if period.interval in CALENDAR else []
    links = [PeriodLink("all pages", "../../index.html")]
    links += [_page_link(up, "../../") for up in ups[::-1] if up in there[up.interval]]
    same = there[period.interval]
    at = same.index(period)
    if at > 0:
        links.append(_page_link(same[at - 1], "../../", "← {}"))
    if at + 1 < len(same):
        links.append(_page_link(same[at + 1], "../../", "{} →"))
    return links


def _shorter_periods(
    period: TimePeriod, there: dict[PeriodInterval, list[TimePeriod]]
) -> Sequence[TimePeriod]:
    """The periods of the next shorter interval that are in it."""
    if period.interval not in CALENDAR[1:]:
        return []
    shorter = CALENDAR[CALENDAR.index(period.interval) - 1]
    return [one for one in there[shorter] if period.covers(one.first)]


def _page_link(period: TimePeriod, top: str, form: str = "{}") -> PeriodLink:
    return PeriodLink(form.format(period.title), f"{top}{period.path}/index.html")


def _local_time(stamp: str) -> str:
    if not stamp:
        return ""
    zone = settings.load_settings().zone
    return datetime.fromisoformat(stamp).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
