"""The static site: a page for each rendered period, and the links between them.

Beside each page its record `page.json` stores what the page shows. Pages are rendered from these
records and only written if they differ. They need no scripts and no other hosts.
"""

from __future__ import annotations

import os
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
from kpfnb.kpf.timeseries.period import CALENDAR, PeriodInterval, TimePeriod, period_containing
from kpfnb.runs import formatting

SITE_FOLDER = "timeseries"
STARS_FOLDER = "stars"
"""The pages of stars, below the site."""
RECORD_NAME = "page.json"
RECENT_DAYS = 14
STYLE_SHEETS = ("style.css", "timeseries.css")
LONGER_INTERVALS = {
    PeriodInterval.ALL: "all nights, and free ranges",
    PeriodInterval.DECADE: "decades",
    PeriodInterval.YEAR: "years",
    PeriodInterval.MONTH: "months",
}
"""The headings of the index."""


class ShownPanel(NamedTuple):
    """A panel on a page; without a `picture` it had no data.

    Attributes
    ----------
    width, height : size of the plot in pixels, so that the page does not jump while loading
    beyond : number of values beyond a threshold, or of failed checks
    head, rows : the table of the panel
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
    """The content of a page.

    Attributes
    ----------
    digest : of the data and panels it shows; '' if some are missing
    drawn_at : when it was rendered, UTC
    """

    period: TimePeriod
    digest: str = ""
    drawn_at: str = ""
    panels: tuple[ShownPanel, ...] = ()


class PeriodLink(NamedTuple):
    """A link to the page of a period."""

    text: str
    target: str


def site_folder() -> Path:
    """The directory of the site."""
    return settings.load_settings().work_dir / SITE_FOLDER


def read_page_record(top: Path, period: TimePeriod) -> TimeSeriesPage:
    """The record of a period's page; an empty one if there is none or a plot is missing."""
    path = top / period.path / RECORD_NAME
    try:
        record = atomic.read_json(path)
        panels = [
            ShownPanel(**{**panel, "rows": tuple(map(tuple, panel["rows"]))})
            for panel in record["panels"]
        ]
        is_complete = all(
            (path.parent / panel.picture).is_file() for panel in panels if panel.picture
        )
        return TimeSeriesPage(
            period, record["mark"] if is_complete else "", record["drawn"], tuple(panels)
        )
    except (FileNotFoundError, InvalidInputError, KeyError, TypeError):
        # The page will be rendered again
        return TimeSeriesPage(period)


def write_page_record(top: Path, page: TimeSeriesPage) -> None:
    """Write the record of a page, and delete plots that it no longer shows."""
    folder = top / page.period.path
    panels = [panel._asdict() for panel in page.panels]
    record = {"period": asdict(page.period), "mark": page.digest, "drawn": page.drawn_at}
    atomic.write_json(folder / RECORD_NAME, {**record, "panels": panels})
    shown = {panel.picture for panel in page.panels}
    for picture in folder.glob("*.png"):
        if picture.name not in shown and not picture.name.startswith(atomic.TEMPORARY_PREFIX):
            picture.unlink()


def update_site(top: Path, changed: Iterable[TimePeriod]) -> None:
    """Write the pages of changed periods, the pages that link to them, and the index."""
    existing = _existing_periods(top)
    affected: dict[TimePeriod, None] = {}
    for period in changed:
        siblings = existing[period.interval]
        # Another process may have rendered "all" up to a later night, or deleted a page
        position = next(
            (number for number, other in enumerate(siblings) if other.path == period.path), None
        )
        if position is None:
            continue
        affected |= dict.fromkeys(siblings[max(0, position - 1) : position + 2])
        if period.interval in CALENDAR:
            affected |= dict.fromkeys(
                parent for parent in period.parents() if parent in existing[parent.interval]
            )
            affected |= dict.fromkeys(_shorter_periods(period, existing))
    write_style_sheets(top)
    for period in affected:
        atomic.write_text_if_changed(
            top / period.path / "index.html",
            render_page(read_page_record(top, period), existing, top),
        )
    atomic.write_text_if_changed(
        top / "index.html",
        render_index(existing, has_stars=(top / STARS_FOLDER / "index.html").is_file()),
    )


def write_style_sheets(top: Path) -> None:
    """Write the style sheets of the site."""
    environment = formatting.template_environment()
    for name in STYLE_SHEETS:
        source, *_ = environment.loader.get_source(environment, name)
        atomic.write_text_if_changed(top / name, source)


def render_page(
    page: TimeSeriesPage, existing: dict[PeriodInterval, list[TimePeriod]], top: Path
) -> str:
    """The page of a period as HTML; `top` is the directory of the site."""
    template = formatting.template_environment().get_template("timeseries.html")
    groups = [
        (name, list(members)) for name, members in groupby(page.panels, lambda panel: panel.group)
    ]
    return str(
        template.render(
            title=page.period.title,
            top="../../",
            links=_navigation_links(page.period, existing) + _observation_links(page.period, top),
            children=[
                _page_link(period, "../../") for period in _shorter_periods(page.period, existing)
            ],
            groups=[
                (
                    name,
                    [panel for panel in members if panel.picture],
                    [panel for panel in members if not panel.picture],
                )
                for name, members in groups
            ],
            drawn=local_time(page.drawn_at),
        )
    )


def render_index(
    existing: dict[PeriodInterval, list[TimePeriod]], *, has_stars: bool = False
) -> str:
    """The index of the site as HTML.

    has_stars : there are pages of stars
    """
    template = formatting.template_environment().get_template("timeseries_index.html")
    days = existing[PeriodInterval.DAY]
    months = [
        (
            month,
            [
                PeriodLink(str(int(period.name[6:])), f"{period.path}/index.html")
                for period in members
            ],
        )
        for month, members in groupby(
            days, key=lambda period: f"{period.name[:4]}-{period.name[4:6]}"
        )
    ]
    return str(
        template.render(
            title="Time series",
            has_stars=has_stars,
            latest=[_page_link(period, "") for period in days[-RECENT_DAYS:][::-1]],
            longer=[
                (
                    LONGER_INTERVALS[interval],
                    [_page_link(period, "") for period in existing[interval]][::-1],
                )
                for interval in LONGER_INTERVALS
                if existing[interval]
            ],
            months=months[::-1],
        )
    )


def _existing_periods(top: Path) -> dict[PeriodInterval, list[TimePeriod]]:
    """The periods that have a record, oldest first; free ranges only with a valid record."""
    periods: dict[PeriodInterval, list[TimePeriod]] = defaultdict(list)
    for interval in PeriodInterval:
        for record in sorted((top / interval).glob(f"*/{RECORD_NAME}")):
            name = record.parent.name
            if interval in CALENDAR:
                night = name.removesuffix("s").ljust(6, "0").ljust(8, "0")
                night = f"{night[:4]}{max(night[4:6], '01')}{max(night[6:8], '01')}"
                periods[interval].append(period_containing(interval, night))
            else:
                # A free range with a damaged record has no page until it is rendered again
                with suppress(InvalidInputError, KeyError, TypeError):
                    stored = atomic.read_json(record)["period"]
                    periods[interval].append(
                        TimePeriod(interval, name, stored["first"], stored["last"])
                    )
    return periods


def _navigation_links(
    period: TimePeriod, existing: dict[PeriodInterval, list[TimePeriod]]
) -> list[PeriodLink]:
    """Links to the longer periods, and to the previous and the next one."""
    parents = period.parents() if period.interval in CALENDAR else []
    links = [PeriodLink("all pages", "../../index.html")]
    links += [
        _page_link(parent, "../../")
        for parent in parents[::-1]
        if parent in existing[parent.interval]
    ]
    siblings = existing[period.interval]
    position = siblings.index(period)
    if position > 0:
        links.append(_page_link(siblings[position - 1], "../../", "← {}"))
    if position + 1 < len(siblings):
        links.append(_page_link(siblings[position + 1], "../../", "{} →"))
    return links


def _observation_links(period: TimePeriod, top: Path) -> list[PeriodLink]:
    """The link of a day to the quicklook page of its night, if that exists."""
    page = settings.load_settings().qlp_path / period.first / "index.html"
    if period.interval is not PeriodInterval.DAY or not page.is_file():
        return []
    return [PeriodLink("observations", os.path.relpath(page, top / period.path))]


def _shorter_periods(
    period: TimePeriod, existing: dict[PeriodInterval, list[TimePeriod]]
) -> Sequence[TimePeriod]:
    """The existing periods of the next shorter interval within a period."""
    if period.interval not in CALENDAR[1:]:
        return []
    shorter = CALENDAR[CALENDAR.index(period.interval) - 1]
    return [
        shorter_period
        for shorter_period in existing[shorter]
        if period.covers(shorter_period.first)
    ]


def _page_link(period: TimePeriod, top: str, form: str = "{}") -> PeriodLink:
    return PeriodLink(form.format(period.title), f"{top}{period.path}/index.html")


def local_time(stamp: str) -> str:
    """A time (UTC) as text in the zone of the settings."""
    if not stamp:
        return ""
    zone = settings.load_settings().zone
    return datetime.fromisoformat(stamp).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
