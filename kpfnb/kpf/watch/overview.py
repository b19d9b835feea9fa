"""Overview of all watchers: a table for the terminal, notebooks and other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from kpfnb.core.clock import parse_utc
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.settings import load_settings
from kpfnb.core.text import html_table
from kpfnb.kpf.watch import status
from kpfnb.kpf.watch.status import LOG_NAME, WatcherReport, WatcherStatus
from kpfnb.notebook.links import link_html, page_url

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("watcher", "state", "since", "seen", "done", "failed", "waiting", "in work", "given up")
MAX_WARNINGS = 10
NO_WATCHER = "No watcher has been started. Start one with `kpfnb watch process`."


@dataclass(frozen=True, repr=False)
class WatcherOverview(OneLineRepr):
    """The watchers of a work directory at one time: a `kpfnb.core.result.Result`.

    Attributes
    ----------
    expected : names of watchers that must be running
    zone : of the times that are shown
    """

    watchers: tuple[WatcherReport, ...]
    expected: tuple[str, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def absent(self) -> list[str]:
        """The expected watchers that are not running."""
        running = {report.name for report in self.watchers if report.life is WatcherStatus.RUNNING}
        return [name for name in self.expected if name not in running]

    @property
    def outcome(self) -> Outcome:
        """Failed if an expected watcher is not running, else the merged outcome of the watchers."""
        if self.absent:
            return Outcome.FAILED
        if len(self.watchers) == 1:
            return self.watchers[0].outcome
        return merge_outcomes(report.outcome for report in self.watchers)

    @property
    def reason(self) -> str:
        """The status of each watcher in one line."""
        if self.absent:
            return f"not running: {', '.join(self.absent)}"
        if not self.watchers:
            return NO_WATCHER
        return "; ".join(f"{r.name} {r.life}, {r.done} done" for r in self.watchers)

    def key_figures(self) -> dict[str, int | float | str]:
        """Totals of all watchers."""
        running = sum(report.life is WatcherStatus.RUNNING for report in self.watchers)
        totals = {
            name: sum(getattr(report, name) for report in self.watchers)
            for name in ("done", "failed", "waiting", "given_up")
        }
        return {"watchers": len(self.watchers), "running": running, **totals}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": self.outcome,
            "absent": self.absent,
            "watchers": [report.to_dict() for report in self.watchers],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a watcher."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(COLUMNS))

    def __str__(self) -> str:
        if not self.watchers:
            return self.reason
        rows = [COLUMNS, *self._rows()]
        widths = [max(len(str(row[i])) for row in rows) for i in range(len(COLUMNS))]
        lines = [
            " | ".join(f"{value!s:<{w}}" for value, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        warnings = [f"* {warning}" for warning in self._warnings()]
        return "\n".join([lines[0].upper(), "-" * len(lines[0]), *lines[1:], *warnings])

    def _repr_html_(self) -> str:
        table = html_table(COLUMNS, self._rows()) if self.watchers else ""
        items = "".join(f"<li>{escape(warning)}</li>" for warning in self._warnings())
        warnings = f"<ul>{items}</ul>" if items else ""
        return f"<p><strong>{escape(self.reason)}</strong></p>{table}{self._log_links()}{warnings}"

    def _log_links(self) -> Markup:
        """The log of each watcher; '' outside of JupyterLab."""
        logs = {report.name: page_url(Path(report.folder) / LOG_NAME) for report in self.watchers}
        links = [link_html(url, f"Log of {name}") for name, url in logs.items() if url]
        return Markup("<p>{}</p>").format(Markup(" · ").join(links)) if links else Markup()

    def _rows(self) -> list[tuple[str | int, ...]]:
        return [_make_row(report, self.zone) for report in self.watchers]

    def _warnings(self) -> list[str]:
        return [warning for report in self.watchers for warning in warnings_for(report)]


def load_overview(name: str = "", *, expected: Sequence[str] = ()) -> WatcherOverview:
    """The watchers of this work directory, or the one with that name."""
    settings = load_settings()
    reports = tuple(status.read_reports(settings.work_dir, name))
    return WatcherOverview(reports, tuple(expected), settings.zone)


def show_overview(result: WatcherOverview, *, refresh_seconds: float) -> None:
    """Display it; in JupyterLab it refreshes itself as long as the kernel runs."""
    from kpfnb.notebook.display import html

    def reload() -> str:
        return load_overview(expected=result.expected)._repr_html_()

    html.display_refreshing(result, result._repr_html_(), reload, every_seconds=refresh_seconds)


def warnings_for(report: WatcherReport) -> Iterator[str]:
    """What a person should know about a watcher besides its counts."""
    if report.trouble:
        yield f"{report.name} is waiting: {report.trouble}"
    if report.mode.startswith("polling:"):
        yield f"{report.name} is {report.mode}"
    for problem in report.unread[:MAX_WARNINGS]:
        yield f"{report.name}: {problem}"
    for path, reason in report.not_whole[:MAX_WARNINGS]:
        yield f"{report.name}: {path} is incomplete ({reason})"
    for path, reason in report.failing[:MAX_WARNINGS]:
        yield f"{report.name}: {path} failed: {reason}"
    if report.last_error:
        yield f"{report.name}: last error: {report.last_error}"


def _make_row(report: WatcherReport, zone: ZoneInfo) -> tuple[str | int, ...]:
    since = parse_utc(report.since).astimezone(zone)
    return (
        *(report.name, str(report.life), f"{since:%Y-%m-%d %H:%M}"),
        *(report.seen, report.done, report.failed, report.waiting),
        *(len(report.in_work), report.given_up),
    )
