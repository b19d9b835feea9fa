"""The pages that show all runs: the latest, the pipelines, and one page for each day (UTC).

A day's page does not change when other days do: what is written after a run stays small,
however many runs there are. The latest runs and the pipelines can be searched (`runs.js`, in
`kpfnb.runs.search_index`); without scripts they are read as they are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError
from kpfnb.runs import formatting, search_index, store
from kpfnb.runs.formatting import PageLink
from kpfnb.runs.record import RunRecord, mark_crashed

MAX_LATEST = 100
PIPELINE = "pipeline"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
OTHER_PAGES = {"nights": "nights/index.html", "datasets": "datasets/index.html"}
"""Pages that others make; there is a link where they are."""

RECENT_DAYS = 14
LOCK_SECONDS = 60

_log = logging.getLogger(__name__)


def update_site(record: RunRecord) -> None:
    """Bring the pages up to date after a run has begun or ended; where that fails, it is told."""
    runs_dir = record.directory.parent.parent
    try:
        with locks.acquire_lock("runs-index", wait_seconds=LOCK_SECONDS):
            _update_pages(runs_dir, _run_day(record.directory))
    except (AlreadyRunningError, InvalidSettingsError, OSError) as error:
        # The pages are made from the records, which are what counts: a run is no worse for them
        _log.warning("the run pages are not up to date, `kpfnb runs site` mends them: %s", error)


def _update_pages(runs_dir: Path, day: str) -> None:
    directories = store.list_directories(runs_dir)
    latest = list(store.current_records(directories[:MAX_LATEST]))
    touched = {day} | {_run_day(one.directory) for one in latest if mark_crashed(one)}
    touched |= _unlisted_days(runs_dir, directories, day)
    _write_pages(runs_dir, directories, latest, touched)


def rebuild_stale(runs_dir: Path) -> set[str]:
    """Write what is behind the records: days that are not as the catalogue knows them."""
    with locks.acquire_lock("runs-index", wait_seconds=LOCK_SECONDS):
        directories = store.list_directories(runs_dir)
        latest = list(store.current_records(directories[:MAX_LATEST]))
        behind = search_index.stale_days(runs_dir, directories)
        _write_pages(runs_dir, directories, latest, behind)
    return behind


def _write_pages(
    runs_dir: Path, directories: list[Path], latest: list[RunRecord], touched: Iterable[str]
) -> None:
    days = Counter(map(_run_day, directories))
    changed = {
        day: list(store.current_records(each for each in directories if _run_day(each) == day))
        for day in touched
    }
    search_index.replace_days(runs_dir, changed)
    for name, text in (
        ("style.css", formatting.stylesheet()),
        ("runs.js", formatting.template_source("runs.js")),
    ):
        atomic.write_text_if_changed(runs_dir / name, text)
    find = _search_context(runs_dir, directories)
    atomic.write_text(runs_dir / "index.html", render_index(latest, days, runs_dir, find))
    pipelines = _pipeline_runs(directories, latest)
    atomic.write_text_if_changed(runs_dir / "pipelines.html", render_pipelines(pipelines, runs_dir))
    atomic.write_text(runs_dir / "days/index.html", render_days(days))
    for day, records in changed.items():
        path = runs_dir / "days" / f"{day}.html"
        if records:
            atomic.write_text(path, render_day(day, records, days))
        else:
            path.unlink(missing_ok=True)


def render_index(
    latest: list[RunRecord], days: Counter[str], runs_dir: Path, find: dict[str, Any] | None = None
) -> str:
    """The latest runs, and the way to all others."""
    recent = [PageLink(one, f"days/{one}.html") for one in sorted(days, reverse=True)[:RECENT_DAYS]]
    total = sum(days.values())
    told = f"{total} runs" if total <= MAX_LATEST else f"the latest {MAX_LATEST} of {total} runs"
    links = [*_site_links(runs_dir, "index.html"), PageLink("all days", "days/index.html"), *recent]
    return _render_page("Runs", latest, links, find=find, told=told)


def render_pipelines(records: list[RunRecord], runs_dir: Path) -> str:
    """The latest runs of pipelines."""
    return _render_page("Pipelines", records, _site_links(runs_dir, "pipelines.html"))


def render_day(day: str, records: list[RunRecord], days: Iterable[str]) -> str:
    """The runs that started on one day."""
    links = [PageLink("latest runs", "../index.html"), PageLink("all days", "index.html")]
    earlier = max((one for one in days if one < day), default="")
    later = min((one for one in days if one > day), default="")
    links += [PageLink(f"← {earlier}", f"{earlier}.html")] if earlier else []
    links += [PageLink(f"{later} →", f"{later}.html")] if later else []
    return _render_page(f"Runs that started on {day} (UTC)", records, links, top="../")


def render_days(days: Counter[str]) -> str:
    """All days that have runs, by month, with the number of runs."""
    newest = sorted(days, reverse=True)
    months = [
        (month, [PageLink(f"{day} ({days[day]})", f"{day}.html") for day in group])
        for month, group in groupby(newest, key=lambda day: day[:7])
    ]
    return _render_page(
        "All days", [], [PageLink("latest runs", "../index.html")], months, top="../"
    )


def _render_page(
    title: str,
    records: list[RunRecord],
    links: list[PageLink],
    months: list[tuple[str, list[PageLink]]] | None = None,
    *,
    top: str = "",
    find: dict[str, Any] | None = None,
    told: str = "",
) -> str:
    zone = settings.load_settings().zone
    template = formatting.template_environment().get_template("runs.html")
    return str(
        template.render(
            title=title,
            top=top,
            policy=CONTENT_POLICY,
            find=find,
            told=told,
            links=links,
            zone=zone.key,
            counts=_outcome_counts(records),
            runs=[formatting.run_context(one, zone, top=top) for one in records],
            days=months or [],
        )
    )


def _unlisted_days(runs_dir: Path, directories: list[Path], day: str) -> set[str]:
    """The days that the catalogue has to be told again: it is new, or the month's part damaged."""
    if not search_index.list_months(runs_dir):
        return set(map(_run_day, directories))
    if search_index.read_month(runs_dir, day[:7]) is None:
        return {one for one in map(_run_day, directories) if one[:7] == day[:7]}
    return set()


def _site_links(runs_dir: Path, own: str) -> list[PageLink]:
    """The other pages of the site."""
    places = {"runs": "index.html", "pipelines": "pipelines.html", **OTHER_PAGES}
    return [
        PageLink(text, place)
        for text, place in places.items()
        if place != own and (text not in OTHER_PAGES or (runs_dir / place).exists())
    ]


def _search_context(runs_dir: Path, directories: list[Path]) -> dict[str, Any]:
    """What the search has to know."""
    return {
        "months": search_index.list_months(runs_dir),
        "signs": formatting.OUTCOME_SIGNS,
        "notebooks": sorted({one.parent.name for one in directories}),
    }


def _pipeline_runs(directories: list[Path], latest: list[RunRecord]) -> list[RunRecord]:
    """The latest runs of pipelines: only directories that hold such runs are read."""
    known = {one.directory: one for one in latest}
    names: dict[str, bool] = {}
    found: list[RunRecord] = []
    for directory in directories:
        name = directory.parent.name
        if names.get(name) is False:
            continue
        record = known.get(directory) or store.current_record(directory)
        names[name] = record.kind == PIPELINE
        found += [record] if names[name] else []
        if len(found) == MAX_LATEST:
            break
    return found


def _outcome_counts(records: list[RunRecord]) -> list[dict[str, Any]]:
    numbers = Counter(map(formatting.outcome_word, records))
    return [
        {"word": word, "sign": sign, "number": numbers[word]}
        for word, sign in formatting.OUTCOME_SIGNS.items()
        if numbers[word]
    ]


def _run_day(directory: Path) -> str:
    stamp = directory.name
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}"
