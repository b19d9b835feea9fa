"""Whether a stored verdict still describes its night: the files it was made from, then and now.

A verdict is stale if files were added, removed or changed since: L0, products, masters, or records
of quicklook checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core.clock import format_utc, parse_utc
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.settings import Settings, load_settings
from kpfnb.core.text import format_count
from kpfnb.kpf.files.masters import list_masters
from kpfnb.kpf.files.obsid import KPF, list_night_files
from kpfnb.kpf.quicklook.record import REPORTS_DIR

MASTERS, QUICKLOOK = "master", "quicklook record"
FILES_KEY, TIME_KEY = "files", "assessed_at"
"""Keys of a stored verdict; those of earlier versions lack them."""


class FileState(NamedTuple):
    """The files of one kind: how many, and when the newest was written (UTC; '' if none)."""

    number: int
    newest: str


def survey_files(night: str, settings: Settings) -> dict[str, FileState]:
    """The state of the files that a verdict is made from, by level and kind."""
    levels = {
        level: (status.st_mtime for _, status in list_night_files(settings.kpf_root, level, night))
        for level in KPF.levels
    }
    masters = _times(list_masters(settings.kpf_root, night))
    records = _times((settings.qlp_path / night).glob(f"*/{REPORTS_DIR}/*.json"))
    kinds = levels | {MASTERS: masters, QUICKLOOK: records}
    return {kind: _state(times) for kind, times in kinds.items()}


def is_empty(files: Mapping[str, FileState]) -> bool:
    """Whether a night has neither L0 files nor products."""
    return not any(files[level].number for level in KPF.levels)


def describe_staleness(
    stored: Mapping[str, Any], night: str, settings: Settings | None = None
) -> str:
    """What changed in a night since its verdict was stored, in one line; '' if nothing did.

    stored : from `kpfnb.kpf.verdict.assessment.load_verdict`
    """
    settings = settings or load_settings()
    if FILES_KEY not in stored or TIME_KEY not in stored:
        return "stored by an earlier version of kpfnb: the files that it was made from are unknown"
    try:
        now = survey_files(night, settings)
    except InvalidInputError as error:
        return f"can't be checked: {error.what}"
    then = {kind: FileState(*state) for kind, state in stored[FILES_KEY].items()}
    changes = [
        change
        for kind, state in now.items()
        for change in _describe_change(kind, then.get(kind, FileState(0, "")), state)
    ]
    moment = parse_utc(stored[TIME_KEY]).astimezone(settings.zone)
    return f"since {moment:%Y-%m-%d %H:%M}: {', '.join(changes)}" if changes else ""


def _describe_change(kind: str, then: FileState, now: FileState) -> Iterator[str]:
    noun = f"{kind} file" if kind in KPF.levels else kind
    if now.number > then.number:
        yield f"{format_count(now.number - then.number, noun)} added"
    elif now.number < then.number:
        yield f"{format_count(then.number - now.number, noun)} removed"
    elif now.newest != then.newest:
        yield f"{noun}s changed"


def _times(paths: Iterable[Path]) -> Iterator[float]:
    """The modification time of each file that still exists."""
    for path in paths:
        with suppress(OSError):
            yield path.stat().st_mtime


def _state(times: Iterable[float]) -> FileState:
    known = list(times)
    return FileState(len(known), format_utc(max(known), milliseconds=True) if known else "")
