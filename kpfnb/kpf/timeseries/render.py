"""The rendering of periods: the plots of their panels, drawn by all workers, and their pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic
from kpfnb.core.clock import format_utc, utc_now
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_count
from kpfnb.kpf.timeseries import site
from kpfnb.kpf.timeseries.period import (
    NightFingerprint,
    PeriodInterval,
    TimePeriod,
    digest_period,
    digest_rendering,
    read_night_fingerprints,
    requested_periods,
)
from kpfnb.kpf.timeseries.site import ShownPanel, TimeSeriesPage
from kpfnb.kpf.tsdb import catalogue
from kpfnb.kpf.tsdb.plots import data, panel_plot, time_axis
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel, choose_panels, load_panels
from kpfnb.kpf.tsdb.plots.time_axis import Era

if TYPE_CHECKING:
    import pandas as pd

MAX_KEYWORDS_PER_QUERY = 40
"""Keywords per query: those of a decade fit into memory."""


class RenderJob(NamedTuple):
    """Panels of one group and one period that are drawn from one query."""

    period: TimePeriod
    panels: tuple[TimeSeriesPanel, ...]
    folder: Path
    eras: tuple[Era, ...]
    now: datetime

    def __str__(self) -> str:
        return f"{self.period.path} {self.panels[0].group} ({self.panels[0].name})"


@dataclass(frozen=True, repr=False)
class RenderResult(OneLineRepr):
    """The result of rendering periods.

    Attributes
    ----------
    periods : paths (relative to the site) of the periods whose pages were rendered
    up_to_date : paths of those whose pages needed no rendering
    pictures : number of plots drawn
    panels_without_data : number of panels without any data
    failed : jobs that failed, with the reason
    """

    site: Path
    periods: tuple[str, ...]
    up_to_date: tuple[str, ...]
    pictures: int
    panels_without_data: int
    failed: dict[str, str]

    @property
    def outcome(self) -> Outcome:
        """Partial if some panels could not be drawn; failed if none could."""
        if self.failed and not self.pictures:
            return Outcome.FAILED
        return merge_outcomes([Outcome.SUCCEEDED] + [Outcome.FAILED for _ in self.failed])

    @property
    def reason(self) -> str:
        """Counts in one line."""
        pages = format_count(len(self.periods), "page")
        plots = format_count(self.pictures, "plot")
        empty = format_count(self.panels_without_data, "panel")
        failed = f", {format_count(len(self.failed), 'job')} failed" if self.failed else ""
        return (
            f"{pages} rendered, {len(self.up_to_date)} up to date;"
            f" {plots}, {empty} without data{failed}"
        )

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        return {
            "pages": len(self.periods),
            "up to date": len(self.up_to_date),
            "pictures": self.pictures,
            "failed": len(self.failed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        lists = {
            "periods": list(self.periods),
            "fresh": list(self.up_to_date),
            "failed": self.failed,
        }
        return {"outcome": self.outcome, "site": str(self.site), **self.key_figures(), **lists}

    def __str__(self) -> str:
        lines = [self.reason, f"  see {self.site / 'index.html'}"]
        return "\n".join(lines + [f"  {name}: {why}" for name, why in self.failed.items()])


def render_interval(
    interval: str,
    start: str = "",
    end: str = "",
    *,
    panels: Sequence[str] = (),
    force: bool = False,
) -> RenderResult:
    """Render the periods of an interval that contain the nights from `start` to `end`.

    Parameters
    ----------
    start, end : nights; if empty, the period of the newest night, or all nights for `all`
    panels : names of panels or groups; all if empty. Other panels of a page are unchanged
    force : also render what has not changed

    Raises
    ------
    InvalidParameterError : a name or a date is not valid
    InvalidInputError : the file of a panel is not valid
    """
    selected = choose_panels(panels)
    nights = read_night_fingerprints()
    periods = requested_periods(PeriodInterval(interval), start, end, list(nights))
    return render_periods(periods, selected, nights, partly=bool(panels), force=force)


def render_periods(
    periods: Sequence[TimePeriod],
    panels: dict[str, TimeSeriesPanel],
    nights: dict[str, NightFingerprint],
    *,
    partly: bool = False,
    force: bool = False,
    now: datetime | None = None,
) -> RenderResult:
    """Render the periods whose data or panels have changed since they were rendered.

    partly : `panels` are not all panels
    """
    top = site.site_folder()
    rendering = digest_rendering(panels.values())
    now_utc = now or utc_now()
    digests = {period: digest_period(period, rendering, nights, now_utc) for period in periods}
    stale = [
        period
        for period in periods
        if force or partly or site.read_page_record(top, period).digest != digests[period]
    ]
    jobs = [job for period in stale for job in _make_jobs(period, panels, top, now_utc)]
    # Drawing one day is faster than starting workers
    one_day = len(stale) == 1 and stale[0].interval is PeriodInterval.DAY
    outcomes = map_items(
        render_job, jobs, title="panels", retries=1, isolate=False if one_day else None
    )
    panels_by_period: dict[TimePeriod, list[ShownPanel]] = {period: [] for period in stale}
    failed = {}
    for item_outcome in outcomes:
        if item_outcome.outcome.is_good:
            panels_by_period[item_outcome.item.period] += item_outcome.value
        else:
            failed[item_outcome.key] = item_outcome.error or str(item_outcome.outcome)
    failed_periods = {item_outcome.item.period for item_outcome in outcomes.failed}
    for period, shown in panels_by_period.items():
        is_complete = not partly and period not in failed_periods
        _write_page(top, period, shown, panels, digests[period] if is_complete else "", now_utc)
    site.update_site(top, stale)
    up_to_date = tuple(period.path for period in periods if period not in panels_by_period)
    pictures = sum(bool(panel.picture) for shown in panels_by_period.values() for panel in shown)
    panel_count = sum(map(len, panels_by_period.values()))
    paths = tuple(period.path for period in stale)
    return RenderResult(top, paths, up_to_date, pictures, panel_count - pictures, failed)


def render_job(job: RenderJob) -> list[ShownPanel]:
    """Draw the panels of a job; a plot is only written if it has changed."""
    first, last = job.period.first, job.period.last
    not_junk = job.panels[0].select.not_junk
    table = data.fetch_table(job.panels, first, last, not_junk=not_junk)
    return [_render_panel(job, panel, table) for panel in job.panels]


def _render_panel(job: RenderJob, panel: TimeSeriesPanel, table: data.PanelTable) -> ShownPanel:
    view = data.PanelView(table, panel)
    missing = tuple(map(catalogue.describe_missing, view.missing))
    shown = ShownPanel(panel.name, panel.group, panel.title, panel.note, missing=missing)
    if view.is_empty:
        return shown
    span = job.period.span(job.now)
    plot = panel_plot.draw_panel(view, span, job.eras, when=job.period.title)
    name = f"{panel.name}.png"
    _save_if_changed(panel_plot.render_png(plot), job.folder / job.period.path / name)
    width, height = map(round, plot.figure.get_size_inches() * panel_plot.DPI)
    head, rows = _table_cells(plot.table)
    return shown._replace(
        picture=name, width=width, height=height, beyond=plot.beyond, head=head, rows=rows
    )


def _save_if_changed(content: bytes, path: Path) -> None:
    if not path.is_file() or path.read_bytes() != content:
        with atomic.replace_atomically(path) as temporary:
            temporary.write_bytes(content)


def _table_cells(table: pd.DataFrame | None) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows of a table as texts."""
    if table is None:
        return (), ()
    named = table.reset_index() if table.index.name else table
    rows = tuple(tuple(map(_format_cell, row)) for row in named.itertuples(index=False, name=None))
    return tuple(map(str, named.columns)), rows


def _format_cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _make_jobs(
    period: TimePeriod, panels: dict[str, TimeSeriesPanel], top: Path, now: datetime
) -> Iterable[RenderJob]:
    eras = tuple(time_axis.load_eras())

    def group_key(panel: TimeSeriesPanel) -> tuple[str, bool]:
        return panel.group, panel.select.not_junk

    for _, group in groupby(sorted(panels.values(), key=group_key), key=group_key):
        for batch in batch_panels(list(group)):
            yield RenderJob(period, tuple(batch), top, eras, now)


def batch_panels(
    panels: Sequence[TimeSeriesPanel], max_keywords: int = MAX_KEYWORDS_PER_QUERY
) -> list[list[TimeSeriesPanel]]:
    """Split panels into batches that need at most `max_keywords` keywords."""
    batches: list[list[TimeSeriesPanel]] = []
    columns: set[str] = set()
    for panel in panels:
        together = columns | set(panel.keywords())
        if batches and len(together) <= max_keywords:
            batches[-1].append(panel)
            columns = together
        else:
            batches.append([panel])
            columns = set(panel.keywords())
    return batches


def _write_page(
    top: Path,
    period: TimePeriod,
    shown: list[ShownPanel],
    panels: dict[str, TimeSeriesPanel],
    digest: str,
    now: datetime,
) -> None:
    """Write the record of a page; if not all panels were drawn, the other ones are kept."""
    new = {panel.name: panel for panel in shown}
    if not digest:
        earlier = {panel.name: panel for panel in site.read_page_record(top, period).panels}
        order = [*load_panels()]
        merged = earlier | new
        new = {name: merged[name] for name in order if name in merged}
    else:
        new = {name: new[name] for name in panels if name in new}
    page = TimeSeriesPage(period, digest, format_utc(now), tuple(new.values()))
    site.write_page_record(top, page)
