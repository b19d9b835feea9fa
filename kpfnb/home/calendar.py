"""The calendar of nights: which have raw files and how many, and their verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kpfnb.core.settings import Settings
from kpfnb.home.file_cache import FileCache
from kpfnb.home.last_night import list_night_pages
from kpfnb.kpf.files.obsid import KPF, is_night, level_dir
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment


@dataclass(frozen=True)
class CalendarNight:
    """One night of the calendar.

    Attributes
    ----------
    files : number of raw files
    verdict : the saved one; None if it was not assessed
    page : its report, or else its verdict; None if there is neither
    """

    night: str
    files: int
    verdict: Verdict | None
    page: Path | None


class CalendarReader:
    """Reads the calendar; a night is read again only when its directory or verdict has changed."""

    def __init__(self) -> None:
        self._counts = FileCache[int]()
        self._verdicts = FileCache[Verdict | None]()

    def read(self, settings: Settings) -> list[CalendarNight]:
        """The nights that have raw files or a verdict, newest first."""
        counts = {
            night: self._count_files(level_dir(settings.kpf_root, KPF.raw, night), night)
            for night in _list_names(settings.kpf_root / KPF.raw)
        }
        verdicts = {
            night: self._read_verdict(settings, night)
            for night in _list_names(settings.work_dir / assessment.NIGHTS_DIR)
        }
        present = {night for night, count in counts.items() if count}
        present |= {night for night, verdict in verdicts.items() if verdict}
        return [
            CalendarNight(
                night,
                counts.get(night, 0),
                verdicts.get(night),
                next(iter(list_night_pages(settings, night)), None),
            )
            for night in sorted(present, reverse=True)
        ]

    def _count_files(self, directory: Path, night: str) -> int:
        return self._counts.get(directory, lambda: _count_raw_files(directory, night))

    def _read_verdict(self, settings: Settings, night: str) -> Verdict | None:
        path = assessment.night_dir(settings, night) / assessment.VERDICT_FILE
        return self._verdicts.get(path, lambda: _load_verdict(settings, night))


def _count_raw_files(directory: Path, night: str) -> int:
    try:
        names = os.listdir(directory)
    except OSError:
        return 0
    return sum(name.startswith(f"KP.{night}.") and name.endswith(".fits") for name in names)


def _load_verdict(settings: Settings, night: str) -> Verdict | None:
    stored = assessment.load_verdict(settings, night)
    return Verdict(stored["verdict"]) if stored else None


def _list_names(directory: Path) -> Iterator[str]:
    """The nights that have a directory there."""
    with suppress(OSError):
        yield from filter(is_night, os.listdir(directory))
