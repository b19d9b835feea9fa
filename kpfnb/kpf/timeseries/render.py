"""Periods drawn: the pictures of their panels, spread over the workers, and their pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb import compute, files
from kpfnb.kpf.timeseries import freshness, period, site
from kpfnb.kpf.timeseries.period import Interval, Period
from kpfnb.kpf.timeseries.site import Page, Shown
from kpfnb.kpf.tsdb.plots import data, definitions, drawing, eras
from kpfnb.kpf.tsdb.plots.eras import Era
from kpfnb.kpf.tsdb.plots.panel import Panel
from kpfnb.outcomes import Outcome, combine
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 40
"""Keywords asked for by one question: a decade of them fits into memory."""


class Job(NamedTuple):
    """Panels of one group and one period that are drawn from one question."""

    period: Period
    panels: tuple[Panel, ...]
    folder: Path
    eras: tuple[Era, ...]
    now: datetime

    def __str__(self) -> str:
        return f"{self.period.path} {self.panels[0].group} ({self.panels[0].name})"


@dataclass(frozen=True, repr=False)
class Production(Brief):
    """What was drawn.

    Attributes
    ----------
    periods : the paths of those whose pages were made, below the site
    fresh : of those whose page showed what there is already
    failed : what could not be drawn, and why
    """

    site: Path
    periods: tuple[str, ...]
    fresh: tuple[str, ...]
    pictures: int
    without: int
    failed: dict[str, str]

    @property
    def outcome(self) -> Outcome:
        """Partial where some panels could not be drawn; failed where none could."""
        if self.failed and not self.pictures:
            return Outcome.FAILED
        return combine([Outcome.SUCCEEDED] + [Outcome.FAILED for _ in self.failed])

    @property
    def reason(self) -> str:
        """One line."""
        failed = f", {len(self.failed)} jobs failed" if self.failed else ""
        pages = f"{len(self.periods)} pages made, {len(self.fresh)} up to date"
        return f"{pages}; {self.pictures} pictures, {self.without} panels without data{failed}"

    def figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        return {
            "pages": len(self.periods),
            "up to date": len(self.fresh),
            "pictures": self.pictures,
            "failed": len(self.failed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        lists = {"periods": list(self.periods), "fresh": list(self.fresh), "failed": self.failed}
        return {"outcome": self.outcome, "site": str(self.site), **self.figures(), **lists}

    def __str__(self) -> str:
        lines = [self.reason, f"  see {self.site / 'index.html'}"]
        return "\n".join(lines + [f"  {name}: {why}" for name, why in self.failed.items()])


def produce(
    interval: str,
    start: str = "",
    end: str = "",
    *,
    panels: Sequence[str] = (),
    force: bool = False,
) -> Production:
    """Draw the periods of an interval in which nights from `start` to `end` are.

    Parameters
    ----------
    start, end : nights; none: the period of the newest night; for `all`: all nights
    panels : names of panels or groups; all if none. Others stay on the page as they are
    force : also where nothing has changed since

    Raises
    ------
    BadParameter, BadInput : what is asked for can't be; a panel's file is wrong
    """
    chosen = definitions.choose(panels)
    nights = freshness.nights()
    wanted = period.asked(Interval(interval), start, end, list(nights))
    return make(wanted, chosen, nights, partly=bool(panels), force=force)


def make(
    periods: Sequence[Period],
    panels: dict[str, Panel],
    nights: dict[str, freshness.Mark],
    *,
    partly: bool = False,
    force: bool = False,
    now: datetime | None = None,
) -> Production:
    """Draw periods and write their pages, where something has changed since they were drawn.

    partly : these are not all panels that there are
    """
    top = site.folder()
    look = freshness.look(panels.values())
    at = now or datetime.now(UTC)
    marks = {one: freshness.mark(one, look, nights, at) for one in periods}
    stale = [one for one in periods if force or partly or site.read(top, one).mark != marks[one]]
    jobs = [job for one in stale for job in _jobs(one, panels, top, at)]
    # One day is drawn sooner than workers are started
    short = len(stale) == 1 and stale[0].interval is Interval.DAY
    outcomes = compute.run(work, jobs, title="panels", retries=1, isolate=False if short else None)
    found: dict[Period, list[Shown]] = {one: [] for one in stale}
    failed = {}
    for part in outcomes:
        if part.outcome.is_good:
            found[part.item.period] += part.value
        else:
            failed[part.key] = part.error or str(part.outcome)
    broken = {part.item.period for part in outcomes.failed}
    for one, shown in found.items():
        whole = not partly and one not in broken
        _write(top, one, shown, panels, marks[one] if whole else "", at)
    site.update(top, stale)
    fresh = tuple(one.path for one in periods if one not in found)
    pictures = sum(bool(one.picture) for shown in found.values() for one in shown)
    everything = sum(map(len, found.values()))
    names = tuple(one.path for one in stale)
    return Production(top, names, fresh, pictures, everything - pictures, failed)


def work(job: Job) -> list[Shown]:
    """Draw the panels of a job; a picture that has not changed is not written."""
    first, last = job.period.first, job.period.last
    not_junk = job.panels[0].select.not_junk
    table = data.fetch(job.panels, first, last, not_junk=not_junk)
    return [_draw(job, panel, table) for panel in job.panels]


def _draw(job: Job, panel: Panel, table: data.Table) -> Shown:
    view = data.View(table, panel)
    shown = Shown(panel.name, panel.group, panel.title, panel.note, missing=tuple(view.missing))
    if view.is_empty:
        return shown
    span = job.period.span(job.now)
    drawn = drawing.draw(view, span, job.eras, when=job.period.title)
    name = f"{panel.name}.png"
    _save(drawing.png(drawn), job.folder / job.period.path / name)
    width, height = map(round, drawn.figure.get_size_inches() * drawing.DPI)
    head, rows = _cells(drawn.table)
    return shown._replace(
        picture=name, width=width, height=height, beyond=drawn.beyond, head=head, rows=rows
    )


def _save(content: bytes, path: Path) -> None:
    if not path.is_file() or path.read_bytes() != content:
        with files.replacing(path) as temporary:
            temporary.write_bytes(content)


def _cells(table: pd.DataFrame | None) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and the rows of a table as texts."""
    if table is None:
        return (), ()
    named = table.reset_index() if table.index.name else table
    rows = tuple(tuple(map(_text, row)) for row in named.itertuples(index=False, name=None))
    return tuple(map(str, named.columns)), rows


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _jobs(one: Period, panels: dict[str, Panel], top: Path, now: datetime) -> Iterable[Job]:
    known = tuple(eras.load())

    def alike(panel: Panel) -> tuple[str, bool]:
        return panel.group, panel.select.not_junk

    for _, group in groupby(sorted(panels.values(), key=alike), key=alike):
        for some in portions(list(group)):
            yield Job(one, tuple(some), top, known, now)


def portions(panels: Sequence[Panel], most: int = AT_ONCE) -> list[list[Panel]]:
    """Panels put together as long as they need no more than so many keywords."""
    found: list[list[Panel]] = []
    columns: set[str] = set()
    for panel in panels:
        together = columns | set(panel.columns())
        if found and len(together) <= most:
            found[-1].append(panel)
            columns = together
        else:
            found.append([panel])
            columns = set(panel.columns())
    return found


def _write(
    top: Path,
    one: Period,
    shown: list[Shown],
    panels: dict[str, Panel],
    mark: str,
    now: datetime,
) -> None:
    """The page's record: the panels that were drawn, and those before where not all were."""
    new = {each.name: each for each in shown}
    if not mark:
        before = {each.name: each for each in site.read(top, one).panels}
        order = [*definitions.load()]
        both = before | new
        new = {name: both[name] for name in order if name in both}
    else:
        new = {name: new[name] for name in panels if name in new}
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    site.write(top, Page(one, mark, stamp, tuple(new.values())))
