"""Periods drawn: the pictures of their panels, spread over the workers, and their pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.kpf.timeseries import period, site
from kpfnb.kpf.timeseries import period as freshness
from kpfnb.kpf.timeseries.period import PeriodInterval, TimePeriod
from kpfnb.kpf.timeseries.site import ShownPanel, TimeSeriesPage
from kpfnb.kpf.tsdb.plots import (
    data,
    panel_plot,
    time_axis,
)
from kpfnb.kpf.tsdb.plots import (
    panel as definitions,
)
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel
from kpfnb.kpf.tsdb.plots.time_axis import Era

if TYPE_CHECKING:
    import pandas as pd

MAX_KEYWORDS_PER_QUERY = 40
"""Keywords asked for by one question: a decade of them fits into memory."""


class RenderJob(NamedTuple):
    """Panels of one group and one period that are drawn from one question."""

    period: TimePeriod
    panels: tuple[TimeSeriesPanel, ...]
    folder: Path
    eras: tuple[Era, ...]
    now: datetime

    def __str__(self) -> str:
        return f"{self.period.path} {self.panels[0].group} ({self.panels[0].name})"


@dataclass(frozen=True, repr=False)
class RenderResult(OneLineRepr):
    """What was drawn.

    Attributes
    ----------
    periods : the paths of those whose pages were made, below the site
    fresh : of those whose page showed what there is already
    failed : what could not be drawn, and why
    """

    site: Path
    periods: tuple[str, ...]
    up_to_date: tuple[str, ...]
    pictures: int
    panels_without_data: int
    failed: dict[str, str]

    @property
    def outcome(self) -> Outcome:
        """Partial where some panels could not be drawn; failed where none could."""
        if self.failed and not self.pictures:
            return Outcome.FAILED
        return merge_outcomes([Outcome.SUCCEEDED] + [Outcome.FAILED for _ in self.failed])

    @property
    def reason(self) -> str:
        """One line."""
        failed = f", {len(self.failed)} jobs failed" if self.failed else ""
        pages = f"{len(self.periods)} pages made, {len(self.up_to_date)} up to date"
        return f"{pages}; {self.pictures} pictures, {self.panels_without_data} panels without data{failed}"

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
    """Draw the periods of an interval in which nights from `start` to `end` are.

    Parameters
    ----------
    start, end : nights; none: the period of the newest night; for `all`: all nights
    panels : names of panels or groups; all if none. Others stay on the page as they are
    force : also where nothing has changed since

    Raises
    ------
    InvalidParameterError, InvalidInputError : what is asked for can't be; a panel's file is wrong
    """
    chosen = definitions.choose_panels(panels)
    nights = freshness.read_night_fingerprints()
    wanted = period.requested_periods(PeriodInterval(interval), start, end, list(nights))
    return render_periods(wanted, chosen, nights, partly=bool(panels), force=force)


def render_periods(
    periods: Sequence[TimePeriod],
    panels: dict[str, TimeSeriesPanel],
    nights: dict[str, freshness.NightFingerprint],
    *,
    partly: bool = False,
    force: bool = False,
    now: datetime | None = None,
) -> RenderResult:
    """Draw periods and write their pages, where something has changed since they were drawn.

    partly : these are not all panels that there are
    """
    top = site.site_folder()
    look = freshness.digest_rendering(panels.values())
    at = now or datetime.now(UTC)
    marks = {one: freshness.digest_period(one, look, nights, at) for one in periods}
    stale = [
        one
        for one in periods
        if force or partly or site.read_page_record(top, one).digest != marks[one]
    ]
    jobs = [job for one in stale for job in _make_jobs(one, panels, top, at)]
    # One day is drawn sooner than workers are started
    short = len(stale) == 1 and stale[0].interval is PeriodInterval.DAY
    outcomes = map_items(
        render_job, jobs, title="panels", retries=1, isolate=False if short else None
    )
    found: dict[TimePeriod, list[ShownPanel]] = {one: [] for one in stale}
    failed = {}
    for part in outcomes:
        if part.outcome.is_good:
            found[part.item.period] += part.value
        else:
            failed[part.key] = part.error or str(part.outcome)
    broken = {part.item.period for part in outcomes.failed}
    for one, shown in found.items():
        whole = not partly and one not in broken
        _write_page(top, one, shown, panels, marks[one] if whole else "", at)
    site.update_site(top, stale)
    fresh = tuple(one.path for one in periods if one not in found)
    pictures = sum(bool(one.picture) for shown in found.values() for one in shown)
    everything = sum(map(len, found.values()))
    names = tuple(one.path for one in stale)
    return RenderResult(top, names, fresh, pictures, everything - pictures, failed)


def render_job(job: RenderJob) -> list[ShownPanel]:
    """Draw the panels of a job; a picture that has not changed is not written."""
    first, last = job.period.first, job.period.last
    not_junk = job.panels[0].select.not_junk
    table = data.fetch_table(job.panels, first, last, not_junk=not_junk)
    return [_render_panel(job, panel, table) for panel in job.panels]


def _render_panel(job: RenderJob, panel: TimeSeriesPanel, table: data.PanelTable) -> ShownPanel:
    view = data.PanelView(table, panel)
    shown = ShownPanel(
        panel.name, panel.group, panel.title, panel.note, missing=tuple(view.missing)
    )
    if view.is_empty:
        return shown
    span = job.period.span(job.now)
    drawn = panel_plot.draw_panel(view, span, job.eras, when=job.period.title)
    name = f"{panel.name}.png"
    _save_if_changed(panel_plot.render_png(drawn), job.folder / job.period.path / name)
    width, height = map(round, drawn.figure.get_size_inches() * panel_plot.DPI)
    head, rows = _table_cells(drawn.table)
    return shown._replace(
        picture=name, width=width, height=height, beyond=drawn.beyond, head=head, rows=rows
    )


def _save_if_changed(content: bytes, path: Path) -> None:
    if not path.is_file() or path.read_bytes() != content:
        with atomic.replace_atomically(path) as temporary:
            temporary.write_bytes(content)


def _table_cells(table: pd.DataFrame | None) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and the rows of a table as texts."""
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
    one: TimePeriod, panels: dict[str, TimeSeriesPanel], top: Path, now: datetime
) -> Iterable[RenderJob]:
    known = tuple(time_axis.load_eras())

    def alike(panel: TimeSeriesPanel) -> tuple[str, bool]:
        return panel.group, panel.select.not_junk

    for _, group in groupby(sorted(panels.values(), key=alike), key=alike):
        for some in batch_panels(list(group)):
            yield RenderJob(one, tuple(some), top, known, now)


def batch_panels(
    panels: Sequence[TimeSeriesPanel], most: int = MAX_KEYWORDS_PER_QUERY
) -> list[list[TimeSeriesPanel]]:
    """Panels put together as long as they need no more than so many keywords."""
    found: list[list[TimeSeriesPanel]] = []
    columns: set[str] = set()
    for panel in panels:
        together = columns | set(panel.keywords())
        if found and len(together) <= most:
            found[-1].append(panel)
            columns = together
        else:
            found.append([panel])
            columns = set(panel.keywords())
    return found


def _write_page(
    top: Path,
    one: TimePeriod,
    shown: list[ShownPanel],
    panels: dict[str, TimeSeriesPanel],
    mark: str,
    now: datetime,
) -> None:
    """The page's record: the panels that were drawn, and those before where not all were."""
    new = {each.name: each for each in shown}
    if not mark:
        before = {each.name: each for each in site.read_page_record(top, one).panels}
        order = [*definitions.load_panels()]
        both = before | new
        new = {name: both[name] for name in order if name in both}
    else:
        new = {name: new[name] for name in panels if name in new}
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    site.write_page_record(top, TimeSeriesPage(one, mark, stamp, tuple(new.values())))
