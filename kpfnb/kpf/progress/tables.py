"""The progress as a table: plain text as operators know it, HTML and data frames."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
)

if TYPE_CHECKING:
    import pandas as pd

    from kpfnb.kpf.progress.result import ProgressResult

TIME_FORMAT = "%Y-%m-%d %H:%M"

MAX_MISSING_ROWS = 500
"""So many missing levels are listed in HTML; all are in the result and the frame."""

_PHRASES = {
    IncompleteReason.MISSING: "Missing {level}",
    IncompleteReason.OLDER: "{level} with old modification time",
    IncompleteReason.OLD_VERSION: "{level} with old DRP version",
    IncompleteReason.UNREADABLE: "Unreadable {level}",
}


def format_text(progress: ProgressResult) -> str:
    """The table of the old script to the letter, then remarks.

    Times are in the zone of the settings; a night without L0 shows `-`, and so does a percentage
    where nothing is expected.
    """
    titles = ["DATECODE", "LAST L0 MOD DATE", *(f"{lvl} PROCESSING " for lvl in progress.levels)]
    header = " | ".join(titles)
    rows = [_format_row(progress, night) for night in progress.nights]
    empty = [] if rows else [progress.reason]
    remarks = ["", *(f"* {remark}" for remark in progress.remarks)] if progress.remarks else []
    return "\n".join([header, "-" * len(header), *rows, *empty, *remarks])


def format_missing_lines(progress: ProgressResult, level: str) -> list[str]:
    """A line for each file of a level that is not done: why, and its path."""
    return [
        _format_missing(progress, item)
        for item in progress.missing
        if item.level == level or item.reason is IncompleteReason.L0_UNREADABLE
    ]


def make_nights_frame(progress: ProgressResult) -> pd.DataFrame:
    """One row a night: observations, junk, last_l0 (UTC), then done and expected by level."""
    import pandas as pd

    columns = [f"{level}_{what}" for level in progress.levels for what in LevelCount._fields]
    rows = [
        [night.night, night.observations, night.junk, night.last_l0, *_level_numbers(night)]
        for night in progress.nights
    ]
    frame = pd.DataFrame(rows, columns=["night", "observations", "junk", "last_l0", *columns])
    frame["last_l0"] = pd.to_datetime(frame["last_l0"], utc=True)
    return frame


def make_missing_frame(progress: ProgressResult) -> pd.DataFrame:
    """One row a level that is not done: night, obsid, level, reason, detail."""
    import pandas as pd

    rows = [
        (night.night, item.obsid, item.level, str(item.reason), item.detail)
        for night in progress.nights
        for item in night.missing
    ]
    return pd.DataFrame(rows, columns=["night", *MissingLevel._fields])


def format_html(progress: ProgressResult) -> str:
    """The table, what is missing, and the remarks; all text escaped."""
    titles = ["Night", "Last L0 modified", *progress.levels]
    rows = [
        [
            night.night,
            _format_time(progress, night.last_l0),
            *map(_format_cell, night.counts.values()),
        ]
        for night in progress.nights
    ]
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in progress.remarks)
    return (
        f"<p><strong>{escape(progress.reason)}</strong></p>"
        f"{_format_html_table(titles, rows)}{_format_html_missing(progress)}"
        f"{remarks and f'<ul>{remarks}</ul>'}"
    )


def _format_row(progress: ProgressResult, night: NightProgress) -> str:
    counts = [_format_column(count) for count in night.counts.values()]
    return " | ".join(
        [f"{night.night:<8}", f"{_format_time(progress, night.last_l0):<16}", *counts]
    )


def _format_column(count: LevelCount) -> str:
    percent = "-" if count.percent is None else f"{count.percent}%"
    return f"{count.done:4d}/{count.expected:<4d} {percent:>4}"


def _format_cell(count: LevelCount) -> str:
    return "-" if count.percent is None else f"{count.done}/{count.expected} · {count.percent} %"


def _format_time(progress: ProgressResult, moment: datetime | None) -> str:
    return moment.astimezone(progress.zone).strftime(TIME_FORMAT) if moment else "-"


def _format_missing(progress: ProgressResult, item: MissingLevel) -> str:
    level, phrase = item.level, _PHRASES.get(item.reason)
    if phrase is None:
        level, phrase = "L0", "Unreadable {level}"
    detail = f" ({item.detail})" if item.detail else ""
    path = ObsID(item.obsid).path(progress.root, level)
    return f"{phrase.format(level=level)}{detail}: {path}"


def _level_numbers(night: NightProgress) -> list[int]:
    return [number for count in night.counts.values() for number in count]


def _format_html_missing(progress: ProgressResult) -> str:
    missing = progress.missing
    if not missing:
        return ""
    rows = [list(map(str, item)) for item in missing[:MAX_MISSING_ROWS]]
    more = len(missing) - len(rows)
    rest = f"<p>and {more} more</p>" if more else ""
    table = _format_html_table(["ObsID", "Level", "Reason", "Detail"], rows)
    return f"<details><summary>{len(missing)} missing</summary>{table}{rest}</details>"


def _format_html_table(titles: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        '<div style="max-height: 30em; overflow: auto"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
