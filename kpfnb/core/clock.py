"""UTC times, nights and their text forms: files, databases and records hold no other zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


def utc_now() -> datetime:
    """The current time, aware of its zone (UTC)."""
    return datetime.now(UTC)


def format_utc(moment: datetime | float | None = None, *, milliseconds: bool = False) -> str:
    """A time as `2024-01-15T08:12:03Z` (ISO 8601).

    Parameters
    ----------
    moment : an aware time of any zone, a naive one that is UTC, or UNIX seconds; None for now
    milliseconds : with three decimals of the second
    """
    text = _as_utc(moment).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.removesuffix("+00:00") + "Z"


def file_stamp(moment: datetime | float | None = None) -> str:
    """A time as `20240115T081203Z`, for names of files; parameters as for `format_utc`."""
    return _as_utc(moment).strftime("%Y%m%dT%H%M%SZ")


def parse_utc(text: str) -> datetime:
    """The aware time that an ISO 8601 text gives; one without a zone is UTC."""
    return _as_utc(datetime.fromisoformat(text)).astimezone(UTC)


def check_night(value: Any) -> str:
    """A night as YYYYMMDD (UT date), or '' for none."""
    text = str(value)
    if text and not (len(text) == 8 and text.isdecimal() and text.isascii() and _is_date(text)):
        raise ValueError("must be a valid date, as YYYYMMDD")
    return text


def _is_date(text: str) -> bool:
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _as_utc(moment: datetime | float | None) -> datetime:
    if moment is None:
        return utc_now()
    if not isinstance(moment, datetime):
        return datetime.fromtimestamp(moment, UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
