"""The site of all runs: the latest runs, the pipelines, and a page for each day (UTC).

The page of a day does not change with other days: what is written after a run stays small, however
many runs there are. The latest runs and the pipelines can be searched (`runs.js`, with the data of
`kpfnb.runs.store`); without scripts they can be read.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.core.text import format_count
from kpfnb.runs import formatting, store
from kpfnb.runs.formatting import PageLink
from kpfnb.runs.record import RunRecord, mark_crashed
from kpfnb.runs.store import start_day

MAX_LATEST = 100
PIPELINE = "pipeline"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
OTHER_PAGES = {"nights": "nights/index.html", "datasets": "datasets/index.html"}
"""Pages that other packages write; the site links to those that exist."""

PROBLEM_OUTCOMES = (Outcome.FAILED, Outcome.CRASHED, Outcome.PARTIAL)
"""What needs a person's attention; a rejected run did nothing."""
RECENT_DAYS = 14
LOCK_SECONDS = 60

_log = logging.getLogger(__name__)


def update_site(record: RunRecord) -> None:
    """Update the pages after a run has started or ended; a failure is logged."""
    runs_dir = record.directory.parent.parent
    try:
        with locks.acquire_lock("runs-index", wait_seconds=LOCK_SECONDS):
            _update_pages(runs_dir, start_day(record.directory.name))
    except (AlreadyRunningError, InvalidSettingsError, OSError) as error:
        # The pages can be rebuilt from the records: a failure here does not fail the run
        _log.warning("the run pages are not up to date; `kpfnb runs site` rebuilds them: %s", error)


def _update_pages(runs_dir: Path, day: str) -> None:
    directories = store.list_directories(runs_dir)
    latest = list(store.current_records(directories[:MAX_LATEST]))
    changed_days = {day}
    changed_days |= {start_day(run.directory.name) for run in latest if mark_crashed(run)}
    changed_days |= _unlisted_days(runs_dir, directories, day)
    _write_pages(runs_dir, directories, latest, changed_days)


def rebuild_stale(runs_dir: Path) -> set[str]:
    """Rebuild the pages of days that differ from the search index; returns these days."""
    with locks.acquire_lock("runs-index", wait_seconds=LOCK_SECONDS):
        directories = store.list_directories(runs_dir)
        latest = list(store.current_records(directories[:MAX_LATEST]))
        stale = store.stale_days(runs_dir, directories)
        _write_pages(runs_dir, directories, latest, stale)
    return stale


def _write_pages(
    runs_dir: Path, directories: list[Path], latest: list[RunRecord], changed_days: Iterable[str]
) -> None:
    days = Counter(_days_of(directories))
    changed = {
        day: list(
            store.current_records(path for path in directories if start_day(path.name) == day)
        )
        for day in changed_days
    }
    store.replace_days(runs_dir, changed)
    for name, text in (
        ("style.css", formatting.stylesheet()),
        ("runs.js", formatting.template_source("runs.js")),
    ):
        atomic.write_text_if_changed(runs_dir / name, text)
    search = _search_context(runs_dir, directories)
    atomic.write_text(runs_dir / "index.html", render_index(latest, days, runs_dir, search))
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
    latest: list[RunRecord],
    days: Counter[str],
    runs_dir: Path,
    search: dict[str, Any] | None = None,
) -> str:
    """The page of the latest runs, with links to all others."""
    recent = [PageLink(day, f"days/{day}.html") for day in sorted(days, reverse=True)[:RECENT_DAYS]]
    total = sum(days.values())
    limit = f"the latest {MAX_LATEST} of " if total > MAX_LATEST else ""
    status = f"{limit}{format_count(total, 'run')}"
    links = [*_site_links(runs_dir, "index.html"), PageLink("all days", "days/index.html"), *recent]
    return _render_page("Runs", latest, links, search=search, status=status)


def render_pipelines(records: list[RunRecord], runs_dir: Path) -> str:
    """The page of the latest runs of pipelines."""
    return _render_page("Pipelines", records, _site_links(runs_dir, "pipelines.html"))


def render_day(day: str, records: list[RunRecord], days: Iterable[str]) -> str:
    """The page of the runs that started on one day."""
    links = [PageLink("latest runs", "../index.html"), PageLink("all days", "index.html")]
    earlier = max((other for other in days if other < day), default="")
    later = min((other for other in days if other > day), default="")
    links += [PageLink(f"← {earlier}", f"{earlier}.html")] if earlier else []
    links += [PageLink(f"{later} →", f"{later}.html")] if later else []
    # Its runs are those of a day in UTC: the page has no second zone
    title = f"Runs that started on {day}"
    return _render_page(title, records, links, top="../", zone=ZoneInfo("UTC"))


def render_days(days: Counter[str]) -> str:
    """The page of all days that have runs, by month, with the number of runs."""
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
    search: dict[str, Any] | None = None,
    status: str = "",
    zone: ZoneInfo | None = None,
) -> str:
    zone = zone or settings.load_settings().zone
    template = formatting.template_environment().get_template("runs.html")
    return str(
        template.render(
            title=title,
            top=top,
            policy=CONTENT_POLICY,
            search=search,
            status=status,
            links=links,
            zone=zone.key,
            counts=_outcome_counts(records),
            runs=[formatting.run_context(record, zone, top=top) for record in records],
            days=months or [],
        )
    )


def _unlisted_days(runs_dir: Path, directories: list[Path], day: str) -> set[str]:
    """The days that are not in the search index since it is new, or their month is damaged."""
    if not store.list_months(runs_dir):
        return set(_days_of(directories))
    if store.read_month(runs_dir, day[:7]) is None:
        return {other for other in _days_of(directories) if other[:7] == day[:7]}
    return set()


def _site_links(runs_dir: Path, current_page: str) -> list[PageLink]:
    """Links to the other pages of the site."""
    pages = {"runs": "index.html", "pipelines": "pipelines.html", **OTHER_PAGES}
    return [
        PageLink(text, target)
        for text, target in pages.items()
        if target != current_page and (text not in OTHER_PAGES or (runs_dir / target).exists())
    ]


def _search_context(runs_dir: Path, directories: list[Path]) -> dict[str, Any]:
    """The values that the search form needs."""
    return {
        "months": store.list_months(runs_dir),
        "signs": formatting.OUTCOME_SIGNS,
        "problems": PROBLEM_OUTCOMES,
        "notebooks": sorted({directory.parent.name for directory in directories}),
    }


def _pipeline_runs(directories: list[Path], latest: list[RunRecord]) -> list[RunRecord]:
    """The latest runs of pipelines; only directories with such runs are read."""
    known = {record.directory: record for record in latest}
    is_pipeline: dict[str, bool] = {}
    runs: list[RunRecord] = []
    for directory in directories:
        name = directory.parent.name
        if is_pipeline.get(name) is False:
            continue
        record = known.get(directory) or store.current_record(directory)
        is_pipeline[name] = record.kind == PIPELINE
        runs += [record] if is_pipeline[name] else []
        if len(runs) == MAX_LATEST:
            break
    return runs


def _outcome_counts(records: list[RunRecord]) -> list[dict[str, Any]]:
    numbers = Counter(map(formatting.outcome_word, records))
    return [
        {"word": word, "sign": sign, "number": numbers[word]}
        for word, sign in formatting.OUTCOME_SIGNS.items()
        if numbers[word]
    ]


def _days_of(directories: Iterable[Path]) -> Iterator[str]:
    return (start_day(directory.name) for directory in directories)
