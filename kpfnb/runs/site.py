"""The pages that show all runs: the latest, the pipelines, and one page for each day (UTC).

A day's page does not change when other days do: what is written after a run stays small,
however many runs there are. The latest runs and the pipelines can be searched (`runs.js`, in
`kpfnb.runs.catalogue`); without scripts they are read as they are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb import files, locks, runs, settings
from kpfnb.errors import BadSettings, Busy
from kpfnb.runs import Record, catalogue
from kpfnb.runs import view as runview
from kpfnb.runs.view import Link

LATEST = 100
PIPELINE = "pipeline"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
OTHERS = {"nights": "nights/index.html", "datasets": "datasets/index.html"}
"""Pages that others make; there is a link where they are."""

RECENT_DAYS = 14
LOCK_SECONDS = 60

_log = logging.getLogger(__name__)


def update(record: Record) -> None:
    """Bring the pages up to date after a run has begun or ended; where that fails, it is told."""
    runs_dir = record.directory.parent.parent
    try:
        with locks.hold("runs-index", wait_seconds=LOCK_SECONDS):
            _update(runs_dir, _day(record.directory))
    except (Busy, BadSettings, OSError) as error:
        # The pages are made from the records, which are what counts: a run is no worse for them
        _log.warning("the run pages are not up to date, `kpfnb runs site` mends them: %s", error)


def _update(runs_dir: Path, day: str) -> None:
    directories = runs.directories(runs_dir)
    latest = list(runs.look_all(directories[:LATEST]))
    touched = {day} | {_day(one.directory) for one in latest if runs.settle(one)}
    touched |= _lost(runs_dir, directories, day)
    _write(runs_dir, directories, latest, touched)


def mend(runs_dir: Path) -> set[str]:
    """Write what is behind the records: days that are not as the catalogue knows them."""
    with locks.hold("runs-index", wait_seconds=LOCK_SECONDS):
        directories = runs.directories(runs_dir)
        latest = list(runs.look_all(directories[:LATEST]))
        behind = catalogue.days_behind(runs_dir, directories)
        _write(runs_dir, directories, latest, behind)
    return behind


def _write(
    runs_dir: Path, directories: list[Path], latest: list[Record], touched: Iterable[str]
) -> None:
    days = Counter(map(_day, directories))
    changed = {
        day: list(runs.look_all(each for each in directories if _day(each) == day))
        for day in touched
    }
    catalogue.replace_days(runs_dir, changed)
    for name, text in (("style.css", runview.style()), ("runs.js", runview.source("runs.js"))):
        files.update_text(runs_dir / name, text)
    find = _find(runs_dir, directories)
    files.write_text(runs_dir / "index.html", index_page(latest, days, runs_dir, find))
    pipelines = _pipelines(directories, latest)
    files.update_text(runs_dir / "pipelines.html", pipelines_page(pipelines, runs_dir))
    files.write_text(runs_dir / "days/index.html", days_page(days))
    for day, records in changed.items():
        path = runs_dir / "days" / f"{day}.html"
        if records:
            files.write_text(path, day_page(day, records, days))
        else:
            path.unlink(missing_ok=True)


def index_page(
    latest: list[Record], days: Counter[str], runs_dir: Path, find: dict[str, Any] | None = None
) -> str:
    """The latest runs, and the way to all others."""
    recent = [Link(one, f"days/{one}.html") for one in sorted(days, reverse=True)[:RECENT_DAYS]]
    total = sum(days.values())
    told = f"{total} runs" if total <= LATEST else f"the latest {LATEST} of {total} runs"
    links = [*_site(runs_dir, "index.html"), Link("all days", "days/index.html"), *recent]
    return _page("Runs", latest, links, find=find, told=told)


def pipelines_page(records: list[Record], runs_dir: Path) -> str:
    """The latest runs of pipelines."""
    return _page("Pipelines", records, _site(runs_dir, "pipelines.html"))


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
    find: dict[str, Any] | None = None,
    told: str = "",
) -> str:
    zone = settings.load().zone
    template = runview.environment().get_template("runs.html")
    return str(
        template.render(
            title=title,
            top=top,
            policy=POLICY,
            find=find,
            told=told,
            links=links,
            zone=zone.key,
            counts=_counts(records),
            runs=[runview.view(one, zone, top=top) for one in records],
            days=months or [],
        )
    )


def _lost(runs_dir: Path, directories: list[Path], day: str) -> set[str]:
    """The days that the catalogue has to be told again: it is new, or the month's part damaged."""
    if not catalogue.months(runs_dir):
        return set(map(_day, directories))
    if catalogue.read(runs_dir, day[:7]) is None:
        return {one for one in map(_day, directories) if one[:7] == day[:7]}
    return set()


def _site(runs_dir: Path, own: str) -> list[Link]:
    """The other pages of the site."""
    places = {"runs": "index.html", "pipelines": "pipelines.html", **OTHERS}
    return [
        Link(text, place)
        for text, place in places.items()
        if place != own and (text not in OTHERS or (runs_dir / place).exists())
    ]


def _find(runs_dir: Path, directories: list[Path]) -> dict[str, Any]:
    """What the search has to know."""
    return {
        "months": catalogue.months(runs_dir),
        "signs": runview.SIGNS,
        "notebooks": sorted({one.parent.name for one in directories}),
    }


def _pipelines(directories: list[Path], latest: list[Record]) -> list[Record]:
    """The latest runs of pipelines: only directories that hold such runs are read."""
    known = {one.directory: one for one in latest}
    names: dict[str, bool] = {}
    found: list[Record] = []
    for directory in directories:
        name = directory.parent.name
        if names.get(name) is False:
            continue
        record = known.get(directory) or runs.look(directory)
        names[name] = record.kind == PIPELINE
        found += [record] if names[name] else []
        if len(found) == LATEST:
            break
    return found


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
