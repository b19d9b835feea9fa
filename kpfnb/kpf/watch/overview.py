"""All watchers at one glance: a table for terminal, notebook and other programs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core import settings
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.kpf.watch import status
from kpfnb.kpf.watch.state_store import FileStatus, StateStore
from kpfnb.kpf.watch.status import WatcherReport, WatcherStatus
from kpfnb.kpf.watch.watcher import STORE_NAME
from kpfnb.notebook.display import figures, html

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLUMNS = ("watcher", "state", "since", "seen", "done", "failed", "waiting", "in work", "given up")
PLOT_HOURS = 24
MAX_WARNINGS = 10

# Okabe and Ito: told apart by everybody
STATUS_COLOURS = {"done": "#0072B2", "failed": "#D55E00"}


@dataclass(frozen=True, repr=False)
class WatcherOverview(OneLineRepr):
    """The watchers of a work directory at one moment.

    Attributes
    ----------
    expected : names of watchers that have to be running
    zone : of the times that are shown
    """

    watchers: tuple[WatcherReport, ...]
    expected: tuple[str, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def absent(self) -> list[str]:
        """Those that have to be running and are not."""
        running = {one.name for one in self.watchers if one.life is WatcherStatus.RUNNING}
        return [name for name in self.expected if name not in running]

    @property
    def outcome(self) -> Outcome:
        """Failed where one is absent; that of a single watcher as it is."""
        if self.absent:
            return Outcome.FAILED
        if len(self.watchers) == 1:
            return self.watchers[0].outcome
        return merge_outcomes(one.outcome for one in self.watchers)

    @property
    def reason(self) -> str:
        """One line."""
        if self.absent:
            return f"not running: {', '.join(self.absent)}"
        if not self.watchers:
            return "no watcher has run here"
        return "; ".join(f"{one.name} {one.life}, {one.done} done" for one in self.watchers)

    def key_figures(self) -> dict[str, int | float | str]:
        """Over all watchers."""
        running = sum(one.life is WatcherStatus.RUNNING for one in self.watchers)
        totals = {
            name: sum(getattr(one, name) for one in self.watchers)
            for name in ("done", "failed", "waiting", "given_up")
        }
        return {"watchers": len(self.watchers), "running": running, **totals}

    def to_dict(self) -> dict[str, Any]:
        """All that each watcher tells."""
        return {
            "outcome": self.outcome,
            "absent": self.absent,
            "watchers": [one.to_dict() for one in self.watchers],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a watcher."""
        import pandas as pd

        return pd.DataFrame(
            [_make_row(one, self.zone) for one in self.watchers], columns=list(COLUMNS)
        )

    def plot(self) -> Figure:
        """Files that were done and that failed, by hour, over the last day."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 1.2 + 1.8 * max(1, len(self.watchers))), layout="constrained")
        panels = figure.subplots(max(1, len(self.watchers)), sharex=True, squeeze=False)[:, 0]
        for panel, one in zip(panels, self.watchers, strict=False):
            hours, trouble = _read_history(one)
            panel.hist(
                [hours[state] for state in STATUS_COLOURS],
                bins=list(range(-PLOT_HOURS, 1)),
                stacked=True,
                color=list(STATUS_COLOURS.values()),
                label=list(STATUS_COLOURS),
            )
            title = figures.escape_mathtext(f"{one.name}{trouble}")
            panel.set(title=title, ylabel="files an hour", xlim=(-PLOT_HOURS, 0))
            panel.set_ylim(0, max(1, panel.get_ylim()[1]))
            panel.yaxis.get_major_locator().set_params(integer=True)
            panel.legend(loc="upper left", frameon=False)
        if not self.watchers:
            figures.draw_empty_message(panels[0], self.reason)
        panels[-1].set_xlabel("hours from now")
        return figure

    def __str__(self) -> str:
        rows = [COLUMNS, *(tuple(_make_row(one, self.zone).values()) for one in self.watchers)]
        widths = [max(len(str(row[i])) for row in rows) for i in range(len(COLUMNS))]
        lines = [
            " | ".join(f"{value!s:<{w}}" for value, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        remarks = [f"* {line}" for one in self.watchers for line in warnings_for(one)]
        table = [lines[0].upper(), "-" * len(lines[0]), *lines[1:]] if self.watchers else []
        return "\n".join([*table, *remarks, *([] if self.watchers else [self.reason])])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
        cells = [
            "".join(
                f"<td>{escape(str(value))}</td>" for value in _make_row(one, self.zone).values()
            )
            for one in self.watchers
        ]
        rows = "".join(f"<tr>{row}</tr>" for row in cells)
        remarks = "".join(
            f"<li>{escape(line)}</li>" for one in self.watchers for line in warnings_for(one)
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return (
            f"<p><strong>{escape(self.reason)}</strong></p>"
            f"{table if self.watchers else ''}{f'<ul>{remarks}</ul>' if remarks else ''}"
        )


def load_overview(name: str = "", *, expected: Sequence[str] = ()) -> WatcherOverview:
    """How the watchers of this work directory are, or the one of that name."""
    here = settings.load_settings()
    return WatcherOverview(
        tuple(status.read_reports(here.work_dir, name)), tuple(expected), here.zone
    )


def show_overview(result: WatcherOverview, *, refresh_seconds: float) -> None:
    """Show it; in JupyterLab it refreshes itself, for as long as the kernel lives."""

    def again() -> str:
        return load_overview(expected=result.expected)._repr_html_()

    html.display_refreshing(result, result._repr_html_(), again, every_seconds=refresh_seconds)


def warnings_for(one: WatcherReport) -> Iterator[str]:
    """What a person should know of a watcher besides its counts."""
    if one.trouble:
        yield f"{one.name} waits: {one.trouble}"
    if one.mode.startswith("polling:"):
        yield f"{one.name} is {one.mode}"
    for what in one.unread[:MAX_WARNINGS]:
        yield f"{one.name}: {what}"
    for path, why in one.not_whole[:MAX_WARNINGS]:
        yield f"{one.name}: {path} is not whole ({why})"
    for path, why in one.failing[:MAX_WARNINGS]:
        yield f"{one.name}: {path} failed: {why}"
    if one.last_error:
        yield f"{one.name}: last error: {one.last_error}"


def _make_row(one: WatcherReport, zone: ZoneInfo) -> dict[str, str | int]:
    since = datetime.fromisoformat(one.since).astimezone(zone)
    counts = (one.seen, one.done, one.failed, one.waiting, len(one.in_work), one.given_up)
    values = (one.name, str(one.life), f"{since:%Y-%m-%d %H:%M}", *counts)
    return dict(zip(COLUMNS, values, strict=True))


def _read_history(one: WatcherReport) -> tuple[dict[str, list[float]], str]:
    """When files ended, in hours before now, by how they ended; why that can't be told."""
    now = datetime.now(UTC)
    hours: dict[str, list[float]] = {
        str(state): [] for state in (FileStatus.DONE, FileStatus.FAILED)
    }
    try:
        with StateStore(Path(one.folder) / STORE_NAME) as memory:
            for moment, state in memory.ended_since(
                (now - timedelta(hours=PLOT_HOURS)).timestamp()
            ):
                hours[state].append((moment - now.timestamp()) / 3600)
    except sqlite3.Error as error:
        return hours, f": its memory can't be read ({error})"
    return hours, ""
