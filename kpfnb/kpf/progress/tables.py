"""Progress as tables: plain text in the form of the old script, HTML and data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kpfnb.core.text import format_count, html_table
from kpfnb.kpf.files.exposure import CAMERAS
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
)

if TYPE_CHECKING:
    import pandas as pd

TIME_FORMAT = "%Y-%m-%d %H:%M"

MAX_NAMES = 5
"""A note names this many files; the result has all."""

_PHRASES = {
    IncompleteReason.MISSING: "Missing {level}",
    IncompleteReason.OLDER: "{level} with old modification time",
    IncompleteReason.OLD_VERSION: "{level} with old DRP version",
    IncompleteReason.UNKNOWN_VERSION: "{level} with unknown DRP version",
    IncompleteReason.CAMERA_MISSING: "{level} without a camera",
    IncompleteReason.NO_VELOCITY: "{level} without velocity",
    IncompleteReason.UNREADABLE: "Unreadable {level}",
}


def describe_oddities(nights: Iterable[NightProgress]) -> list[str]:
    """Notes about files that are not counted, or counted in spite of something."""
    oddities = [night.oddities for night in nights]
    misplaced = [name for odd in oddities for name in odd.misplaced]
    without_l0 = [name for odd in oddities for name in odd.without_l0]
    by_extensions = [name for odd in oddities for name in odd.by_extensions]
    notes = []
    if without_l0:
        products = format_count(len(without_l0), "product")
        notes.append(f"{products} without an L0, not counted: {_shorten(without_l0)}")
    if misplaced:
        files = format_count(len(misplaced), "file")
        notes.append(f"{files} in a wrong directory, not counted: {_shorten(misplaced)}")
    if by_extensions:
        files = format_count(len(by_extensions), "L0 file")
        notes.append(
            f"{files} without a value of {', '.join(CAMERAS)}, judged by the extensions:"
            f" {_shorten(by_extensions)}"
        )
    return notes


def describe_stored(
    nights: Sequence[NightProgress], started: datetime, zone: ZoneInfo
) -> list[str]:
    """A note about the nights whose result was stored before this time."""
    stored = [night.looked_at for night in nights if night.looked_at < started]
    if not stored:
        return []
    moment = _format_time(min(stored), zone)
    return [
        f"{len(stored)} of {len(nights)} nights were last scanned in full at {moment} or later; no"
        " file was added or removed and no L0 touched since; --fresh scans every file"
    ]


def format_text(nights: Iterable[NightProgress], levels: Sequence[str], zone: ZoneInfo) -> str:
    """The table of the old script, to the letter.

    A night without L0 files shows `-` as its time, and so does a percentage if nothing is expected.

    zone : of the times
    """
    titles = ["DATECODE", "LAST L0 MOD DATE", *(f"{level} PROCESSING " for level in levels)]
    header = " | ".join(titles)
    return "\n".join([header, "-" * len(header), *(_format_row(night, zone) for night in nights)])


def format_html(nights: Iterable[NightProgress], levels: Sequence[str], zone: ZoneInfo) -> str:
    """One row a night as HTML."""
    rows = [
        [night.night, _format_time(night.last_l0, zone), *map(_format_cell, night.counts.values())]
        for night in nights
    ]
    return _scrollable_table(["Night", f"Last L0 modified ({zone.key})", *levels], rows)


def format_missing_lines(missing: Iterable[MissingLevel], level: str, root: Path) -> list[str]:
    """A line for each file of a level that is not done: the reason and its path."""
    return [
        _format_missing(item, root)
        for item in missing
        if item.level == level or item.reason is IncompleteReason.L0_UNREADABLE
    ]


def make_nights_frame(nights: Iterable[NightProgress], levels: Sequence[str]) -> pd.DataFrame:
    """One row a night: observations, junk, last_l0 (UTC), done and expected by level, ..."""
    import pandas as pd

    columns = [f"{level}_{part}" for level in levels for part in LevelCount._fields]
    rows = [
        [
            *(night.night, night.observations, night.junk, night.last_l0),
            *(number for count in night.counts.values() for number in count),
            len(night.oddities.without_l0),
        ]
        for night in nights
    ]
    fixed = ["night", "observations", "junk", "last_l0"]
    frame = pd.DataFrame(rows, columns=[*fixed, *columns, "without_l0"])
    frame["last_l0"] = pd.to_datetime(frame["last_l0"], utc=True)
    return frame


def format_remarks(remarks: Iterable[str]) -> str:
    """A list as HTML; '' if it is empty."""
    items = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return f"<ul>{items}</ul>" if items else ""


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _format_row(night: NightProgress, zone: ZoneInfo) -> str:
    counts = [_format_column(count) for count in night.counts.values()]
    return " | ".join([f"{night.night:<8}", f"{_format_time(night.last_l0, zone):<16}", *counts])


def _format_column(count: LevelCount) -> str:
    percent = "-" if count.percent is None else f"{count.percent}%"
    return f"{count.done:4d}/{count.expected:<4d} {percent:>4}"


def _format_cell(count: LevelCount) -> str:
    return "-" if count.percent is None else f"{count.done}/{count.expected} · {count.percent} %"


def _format_time(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime(TIME_FORMAT) if moment else "-"


def _format_missing(item: MissingLevel, root: Path) -> str:
    level, phrase = item.level, _PHRASES.get(item.reason)
    if phrase is None:
        level, phrase = "L0", "Unreadable {level}"
    detail = f" ({item.detail})" if item.detail else ""
    return f"{phrase.format(level=level)}{detail}: {ObsID(item.obsid).path(root, level)}"


def _scrollable_table(titles: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    table = html_table(titles, rows)
    return f'<div style="max-height: 30em; overflow: auto">{table}</div>'
