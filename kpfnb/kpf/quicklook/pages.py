"""Writing the quicklook pages from the records of the products.

A page that is missing or older than a record is written again (`page_files.is_outdated`). So the
pages that link to a new one are written first: a process killed in between starts over.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb.core import atomic, settings
from kpfnb.core.clock import utc_now
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.last_good import find_next_of_kind
from kpfnb.kpf.quicklook.page_files import PAGE, PageTime, list_nights, list_observations
from kpfnb.kpf.quicklook.record import REPORTS_DIR, QuicklookRecord, read_record, record_path
from kpfnb.kpf.quicklook.record_view import (
    count_verdicts,
    find_neighbours,
    level_context,
    middle_text,
    night_row_context,
    start_text,
)
from kpfnb.kpf.quicklook.targets import MASTERS_PRODUCTS
from kpfnb.runs import formatting, report
from kpfnb.runs.actions import PageAction
from kpfnb.runs.formatting import PageLink

SCRIPT = "quicklook.js"
"""Keys, filters and refresh; beside the page of all nights. The pages can be read without it."""

REFRESH_SECONDS = 60
REPORT_TEXT = "night report"
"""The text of the link to the report of a night."""

SELF = "'self'"
"""Of a content security policy: files of the same site."""

RECENT_DAYS = 2
"""The pages of nights up to this age reload themselves."""


def write_observation(night: Path, obsid: str) -> None:
    """Write the page of an observation, and those of others that show it.

    These are its neighbours, if it is new, and the next ones of the same kind.
    """
    names = list_observations(night)
    others = {
        find_next_of_kind(night, night / obsid, record)
        for record in observation_records(night / obsid, obsid)
    }
    others = {name for name in others if (night / name / PAGE).exists()} if others else set()
    if not (night / obsid / PAGE).exists():
        others.update(find_neighbours(names, obsid))
    for other in sorted(others - {"", obsid}):
        _write_observation_page(night, other, find_neighbours(names, other))
    _write_observation_page(night, obsid, find_neighbours(names, obsid))


def _write_observation_page(night: Path, obsid: str, neighbours: tuple[str, str]) -> None:
    page_time = PageTime.now(night)
    records = observation_records(night / obsid, obsid)
    if not records:
        return
    earlier, later = (_neighbour_link(name) for name in neighbours)
    _write_page(
        night / obsid / PAGE,
        page_time,
        "quicklook_observation.html",
        title=obsid,
        heading=best_record(records).heading,
        start=start_text(best_record(records).heading, obsid),
        middle=middle_text(best_record(records).heading),
        actions=_observation_actions(obsid),
        levels=[
            level_context(record, night.parent, night / obsid, night / obsid) for record in records
        ],
        report=_report_link(night, night / obsid),
        script=f"../../{SCRIPT}",
        earlier=earlier,
        later=later,
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
    )


def _observation_actions(obsid: str) -> list[PageAction]:
    again = {"start": obsid.removeprefix("KP."), "end": "", "force": True}
    return [
        PageAction("Reprocess this", "reprocess", {"targets": [obsid]}),
        PageAction("Make quicklook again", "quicklook", again),
    ]


def _report_link(night: Path, page_dir: Path) -> PageLink | None:
    """The link to the report of a night, if that exists."""
    report_file = settings.load_settings().runs_dir / "nights" / night.name / "report.html"
    if not report_file.exists():
        return None
    return PageLink(REPORT_TEXT, quote(os.path.relpath(report_file, page_dir)))


def _neighbour_link(name: str) -> PageLink | None:
    return PageLink(name, f"../{name}/{PAGE}") if name else None


def write_masters(night: Path) -> None:
    """Write the page of the masters of a night."""
    page_time = PageTime.now(night)
    masters_dir = night / MASTERS_PRODUCTS
    kind_dirs = [path for path in sorted(masters_dir.iterdir()) if path.is_dir()]
    kinds = [(path, _kind_records(path)) for path in kind_dirs]
    nights = sorted({*list_nights(night.parent, f"{MASTERS_PRODUCTS}/{PAGE}"), night.name})
    earlier, later = (_masters_link(name) for name in find_neighbours(nights, night.name))
    again = {"start": night.name, "end": "", "levels": ["master"], "force": True}
    _write_page(
        masters_dir / PAGE,
        page_time,
        "quicklook_masters.html",
        title=f"Masters of {night.name}",
        kinds=[
            (
                kind.name,
                [level_context(record, night.parent, kind, masters_dir) for record in records],
            )
            for kind, records in kinds
            if records
        ],
        earlier=earlier,
        later=later,
        actions=[PageAction("Make quicklook again", "quicklook", again)],
        night=PageLink(f"night {night.name}", f"../{PAGE}"),
        script=f"../../{SCRIPT}",
    )


def _masters_link(night: str) -> PageLink | None:
    page = f"../../{night}/{MASTERS_PRODUCTS}/{PAGE}"
    return PageLink(f"masters of {night}", page) if night else None


def _kind_records(kind_dir: Path) -> list[QuicklookRecord]:
    """The records of the masters of one kind."""
    records = (read_record(path) for path in sorted((kind_dir / REPORTS_DIR).glob("*.json")))
    return [record for record in records if record]


def write_night(night: Path) -> None:
    """Write the page of a night; if it is new, those of its neighbours as well."""
    nights = sorted({*list_nights(night.parent), night.name})
    if not (night / PAGE).exists():
        for neighbour in filter(None, find_neighbours(nights, night.name)):
            _write_night_page(night.parent / neighbour, nights)
    _write_night_page(night, nights)


def _write_night_page(night: Path, nights: Sequence[str]) -> None:
    page_time = PageTime.now(night)
    observations = [
        records
        for obsid in list_observations(night)
        if (records := observation_records(night / obsid, obsid))
    ]
    earlier, later = (_neighbour_link(name) for name in find_neighbours(nights, night.name))
    masters = f"{MASTERS_PRODUCTS}/{PAGE}"
    _write_page(
        night / PAGE,
        page_time,
        "quicklook_night.html",
        title=f"Night {night.name}",
        counts=count_verdicts(record for records in observations for record in records),
        levels=list(KPF.levels),
        rows=_night_rows(observations),
        report=_report_link(night, night),
        script=f"../{SCRIPT}",
        masters=PageLink("masters", masters) if (night / masters).exists() else None,
        earlier=earlier,
        later=later,
        nights=PageLink("all nights", f"../{PAGE}"),
        reload_seconds=REFRESH_SECONDS if _is_recent(night.name) else 0,
    )


def _night_rows(observations: Sequence[Sequence[QuicklookRecord]]) -> list[dict[str, Any]]:
    """The observations in the order of time, those that passed after the others."""
    rows = [night_row_context(records, best_record(records), PAGE) for records in observations]
    return sorted(rows, key=lambda row: row["rank"] <= 0)


def write_nights(products: Path) -> None:
    """Write the page of all nights."""
    newest_first = reversed(list_nights(products))
    months = [
        (f"{month[:4]}-{month[4:]}", [PageLink(night, f"{night}/{PAGE}") for night in nights])
        for month, nights in groupby(newest_first, key=lambda night: night[:6])
    ]
    html = _render_template("quicklook_nights.html", title="Quicklook: all nights", months=months)
    atomic.write_text_if_changed(products / PAGE, html)


def write_script(products: Path) -> None:
    """Write the script that the pages load."""
    atomic.write_text_if_changed(products / SCRIPT, formatting.template_source(SCRIPT))


def _write_page(path: Path, page_time: PageTime, template: str, **values: Any) -> None:
    atomic.write_text(path, _render_template(template, **values))
    page_time.set_on(path)


def _render_template(template: str, **values: Any) -> str:
    from markupsafe import Markup

    style = _style_sheet()
    html: str = (
        formatting.template_environment()
        .get_template(template)
        .render(
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=f"{report.content_policy(style, images=SELF)}; script-src {SELF}",
            **values,
        )
    )
    return html + "\n"


@cache
def _style_sheet() -> str:
    return formatting.stylesheet() + formatting.template_source("quicklook.css")


def observation_records(product_dir: Path, obsid: str) -> list[QuicklookRecord]:
    """The records of an observation that exist, in the order of levels."""
    records = (read_record(record_path(product_dir, obsid, level)) for level in KPF.levels)
    return [record for record in records if record]


def best_record(records: Sequence[QuicklookRecord]) -> QuicklookRecord:
    """The record with most facts about the exposure: the highest level that could be read."""
    return next((record for record in reversed(records) if not record.error), records[-1])


def _is_recent(night: str) -> bool:
    return night > f"{utc_now() - timedelta(days=RECENT_DAYS):%Y%m%d}"
