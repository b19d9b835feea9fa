"""The progress as a table: plain text as operators know it, HTML and data frames."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from kpfnb.kpf.judgement import Count, Missing, Night, Reason
from kpfnb.kpf.obsid import ObsID

if TYPE_CHECKING:
    import pandas as pd

    from kpfnb.kpf.progress import Progress

TIME = "%Y-%m-%d %H:%M"

MOST_MISSING_ROWS = 500
"""So many missing levels are listed in HTML; all are in the result and the frame."""

_PHRASES = {
    Reason.MISSING: "Missing {level}",
    Reason.OLDER: "{level} with old modification time",
    Reason.OLD_VERSION: "{level} with old DRP version",
    Reason.UNREADABLE: "Unreadable {level}",
}


def text(progress: Progress) -> str:
    """The table of the old script to the letter, then remarks.

    Times are in the zone of the settings; a night without L0 shows `-`, and so does a percentage
    where nothing is expected.
    """
    titles = ["DATECODE", "LAST L0 MOD DATE", *(f"{lvl} PROCESSING " for lvl in progress.levels)]
    header = " | ".join(titles)
    rows = [_row(progress, night) for night in progress.nights]
    empty = [] if rows else [progress.reason]
    remarks = ["", *(f"* {remark}" for remark in progress.remarks)] if progress.remarks else []
    return "\n".join([header, "-" * len(header), *rows, *empty, *remarks])


def missing_lines(progress: Progress, level: str) -> list[str]:
    """A line for each file of a level that is not done: why, and its path."""
    return [
        _line(progress, item)
        for item in progress.missing
        if item.level == level or item.reason is Reason.L0_UNREADABLE
    ]


def nights_frame(progress: Progress) -> pd.DataFrame:
    """One row a night: observations, junk, last_l0 (UTC), then done and expected by level."""
    import pandas as pd

    columns = [f"{level}_{what}" for level in progress.levels for what in Count._fields]
    rows = [
        [night.night, night.observations, night.junk, night.last_l0, *_numbers(night)]
        for night in progress.nights
    ]
    frame = pd.DataFrame(rows, columns=["night", "observations", "junk", "last_l0", *columns])
    frame["last_l0"] = pd.to_datetime(frame["last_l0"], utc=True)
    return frame


def missing_frame(progress: Progress) -> pd.DataFrame:
    """One row a level that is not done: night, obsid, level, reason, detail."""
    import pandas as pd

    rows = [
        (night.night, item.obsid, item.level, str(item.reason), item.detail)
        for night in progress.nights
        for item in night.missing
    ]
    return pd.DataFrame(rows, columns=["night", *Missing._fields])


def html(progress: Progress) -> str:
    """The table, what is missing, and the remarks; all text escaped."""
    titles = ["Night", "Last L0 modified", *progress.levels]
    rows = [
        [night.night, _time(progress, night.last_l0), *map(_cell, night.counts.values())]
        for night in progress.nights
    ]
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in progress.remarks)
    return (
        f"<p><strong>{escape(progress.reason)}</strong></p>"
        f"{_html_table(titles, rows)}{_html_missing(progress)}"
        f"{remarks and f'<ul>{remarks}</ul>'}"
    )


def _row(progress: Progress, night: Night) -> str:
    counts = [_column(count) for count in night.counts.values()]
    return " | ".join([f"{night.night:<8}", f"{_time(progress, night.last_l0):<16}", *counts])


def _column(count: Count) -> str:
    percent = "-" if count.percent is None else f"{count.percent}%"
    return f"{count.done:4d}/{count.expected:<4d} {percent:>4}"


def _cell(count: Count) -> str:
    return "-" if count.percent is None else f"{count.done}/{count.expected} · {count.percent} %"


def _time(progress: Progress, moment: datetime | None) -> str:
    return moment.astimezone(progress.zone).strftime(TIME) if moment else "-"


def _line(progress: Progress, item: Missing) -> str:
    level, phrase = item.level, _PHRASES.get(item.reason)
    if phrase is None:
        level, phrase = "L0", "Unreadable {level}"
    detail = f" ({item.detail})" if item.detail else ""
    path = ObsID(item.obsid).path(progress.root, level)
    return f"{phrase.format(level=level)}{detail}: {path}"


def _numbers(night: Night) -> list[int]:
    return [number for count in night.counts.values() for number in count]


def _html_missing(progress: Progress) -> str:
    missing = progress.missing
    if not missing:
        return ""
    rows = [list(map(str, item)) for item in missing[:MOST_MISSING_ROWS]]
    more = len(missing) - len(rows)
    rest = f"<p>and {more} more</p>" if more else ""
    table = _html_table(["ObsID", "Level", "Reason", "Detail"], rows)
    return f"<details><summary>{len(missing)} missing</summary>{table}{rest}</details>"


def _html_table(titles: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        '<div style="max-height: 30em; overflow: auto"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
