"""The last night: how far its processing is, and its verdict if that is still up to date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kpfnb.core import nights
from kpfnb.core.clock import parse_utc
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.data_root import check_data_root
from kpfnb.kpf.progress.missing_groups import reprocess_action
from kpfnb.kpf.progress.result import ProgressResult, assess_progress
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.verdict.freshness import TIME_KEY, describe_staleness
from kpfnb.runs.actions import PageAction

VERDICT_NOTEBOOK = "tonight"
"""The notebook that assesses a night."""


@dataclass(frozen=True)
class NightVerdictSummary:
    """The last saved verdict of a night.

    Attributes
    ----------
    observations : how many there were at that time
    pages : the night's report and verdict, as far as they exist
    assessed_at : None if an early version saved it
    stale : what has changed in the night since; '' if nothing has
    """

    verdict: Verdict
    line: str
    observations: int
    pages: tuple[Path, ...] = ()
    assessed_at: datetime | None = None
    stale: str = ""

    @property
    def text(self) -> str:
        """Its line, and if it is stale, what has changed since."""
        stale = f"; stale, {self.stale}: assess again" if self.stale else ""
        return f"{self.verdict.sign} {self.line}{stale}"


@dataclass(frozen=True)
class LastNight:
    """The newest night that has raw files.

    Attributes
    ----------
    verdict : None if it was not assessed
    """

    night: str
    progress: ProgressResult
    verdict: NightVerdictSummary | None
    quicklook: Path | None = None
    """The page of its observations, if it exists."""

    @property
    def heading(self) -> str:
        """The night and its verdict: `20240115 PASS (stale)`."""
        if self.verdict is None:
            return self.night
        return f"{self.night} {self.verdict.verdict}{' (stale)' if self.verdict.stale else ''}"

    @property
    def reprocess_action(self) -> PageAction | None:
        """Processes what is missing; None if that can't help."""
        return reprocess_action(self.progress.missing)

    @property
    def assess_action(self) -> PageAction:
        """Assesses the night."""
        label = "Assess again" if self.verdict else "Assess"
        return PageAction(label, VERDICT_NOTEBOOK, {"night": self.night})

    @property
    def progress_action(self) -> PageAction:
        """Shows the progress of the night."""
        return PageAction("Progress", "progress", {"start": self.night})


def find_root_problem(settings: Settings) -> str:
    """Why nothing can be said of any night: the data root does not exist; '' if it does."""
    try:
        check_data_root(settings.kpf_root)
    except KpfnbError as error:
        return str(error)
    return ""


def load_last_night(settings: Settings) -> LastNight | None:
    """The newest night with raw files; None if there is no such night.

    `KpfnbError` if it can't be read.
    """
    try:
        night = nights.find_last_night(settings.kpf_root)
    except InvalidInputError:
        return None
    index = settings.qlp_path / night / "index.html"
    return LastNight(
        night,
        assess_progress(night),
        _summarize_verdict(settings, night),
        index if index.exists() else None,
    )


def list_night_pages(settings: Settings, night: str) -> tuple[Path, ...]:
    """The report and the verdict of a night, as far as they exist."""
    directory = pages.page_dir(settings, night)
    files = [directory / page for page in (pages.REPORT_PAGE, pages.VERDICT_PAGE)]
    return tuple(file for file in files if file.exists())


def _summarize_verdict(settings: Settings, night: str) -> NightVerdictSummary | None:
    """The saved verdict: to assess the night would take too long here."""
    stored = assessment.load_verdict(settings, night)
    if stored is None:
        return None
    return NightVerdictSummary(
        verdict=Verdict(stored["verdict"]),
        line=str(stored.get("line", "")),
        observations=int(stored.get("observations", 0)),
        pages=list_night_pages(settings, night),
        assessed_at=_assessment_time(stored),
        stale=describe_staleness(stored, night, settings),
    )


def _assessment_time(stored: Mapping[str, Any]) -> datetime | None:
    return parse_utc(stored[TIME_KEY]) if TIME_KEY in stored else None
