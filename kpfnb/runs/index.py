"""The pages that show all runs: `runs/index.html`, and one page for each day (UTC).

A day's page does not change when other days do: what is written after a run stays small,
however many runs there are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb import files, locks, runs, settings
from kpfnb.errors import Busy
from kpfnb.runs import Record
from kpfnb.runs import view as runview
from kpfnb.runs.view import Link

LATEST = 200
RECENT_DAYS = 14
LOCK_SECONDS = 60

_log = logging.getLogger(__name__)


def update(record: Record) -> None:
    """Bring the pages up to date after a run has begun or ended."""
    runs_dir = record.directory.parent.parent
    try:
        with locks.hold("runs-index", wait_seconds=LOCK_SECONDS):
            _update(runs_dir, _day(record.directory))
    except Busy as error:
        # The pages are made from the records: the next run makes them right
        _log.warning("the run pages are not up to date: %s", error)


def _update(runs_dir: Path, day: str) -> None:
    directories = runs.directories(runs_dir)
    latest = [runs.look(one) for one in directories[:LATEST]]
    touched = {day} | {_day(one.directory) for one in latest if runs.settle(one)}
    days = Counter(map(_day, directories))
    files.write_text(runs_dir / "style.css", runview.style())
    files.write_text(runs_dir / "index.html", index_page(latest, days))
    files.write_text(runs_dir / "days/index.html", days_page(days))
    for one in touched:
        records = [runs.look(each) for each in directories if _day(each) == one]
        files.write_text(runs_dir / "days" / f"{one}.html", day_page(one, records, days))


def index_page(latest: list[Record], days: Counter[str]) -> str:
    """The latest runs, and the way to all others."""
    recent = [Link(one, f"days/{one}.html") for one in sorted(days, reverse=True)[:RECENT_DAYS]]
    total = sum(days.values())
    title = "Runs" if total <= LATEST else f"Runs: the latest {LATEST} of {total}"
    return _page(title, latest, [Link("all days", "days/index.html"), *recent])


def day_page(day: str, records: list[Record], days: Iterable[str]) -> str:
    """The runs that started on one day."""
    links = [Link("latest runs", "../index.html"), Link("all days", "index.html")]
    earlier = max((one for one in days if one < day), default="")
    later = min((one for one in days if one > day), default="")
    links += [Link(f"← {earlier}", f"{earlier}.html")] if earlier else []
    links += [Link(f"{later} →", f"{later}.html")] if later else []
    return _page(f"Runs that started on {day} (UTC)", records, links, top="../")


def days_page(days: Counter[str]) -> str:
    """All days that have runs, by month, with the number of runs."""
    newest = sorted(days, reverse=True)
    months = [
        (month, [Link(f"{day} ({days[day]})", f"{day}.html") for day in group])
        for month, group in groupby(newest, key=lambda day: day[:7])
    ]
    return _page("All days", [], [Link("latest runs", "../index.html")], months, top="../")


def _page(
    title: str,
    records: list[Record],
    links: list[Link],
    months: list[tuple[str, list[Link]]] | None = None,
    *,
    top: str = "",
) -> str:
    zone = settings.load().zone
    template = runview.environment().get_template("runs.html")
    return str(
        template.render(
            title=title,
            top=top,
            links=links,
            zone=zone.key,
            counts=_counts(records),
            runs=[runview.view(one, zone, top=top) for one in records],
            days=months or [],
        )
    )


def _counts(records: list[Record]) -> list[dict[str, Any]]:
    numbers = Counter(map(runview.word, records))
    return [
        {"word": word, "sign": sign, "number": numbers[word]}
        for word, sign in runview.SIGNS.items()
        if numbers[word]
    ]


def _day(directory: Path) -> str:
    stamp = directory.name
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}"
