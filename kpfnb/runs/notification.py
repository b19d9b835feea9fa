"""The command of the settings that tells people of the end of a run without a person before it.

Runs of cron, services and pipelines call it; a run in JupyterLab notifies by the browser.
"""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from kpfnb.core import settings
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.core.settings import Settings
from kpfnb.runs.formatting import outcome_word
from kpfnb.runs.record import LOG_NAME, RunRecord
from kpfnb.runs.report import REPORT_NAME

COMMAND_SECONDS = 60
UNTIMELY = (Outcome.SUCCEEDED, Outcome.SKIPPED)
"""Outcomes that nobody has to know at once: told only after a long run."""

_PLACE = re.compile(r"\{(notebook|outcome|reason|run|report)\}")
_log = logging.getLogger(__name__)


def notify_of_end(record: RunRecord, report: Path | None = None) -> None:
    """Run the setting `notify_command` if this end is to be told; raises nothing.

    What fails of it stands in the log of the run, whose outcome it does not change. A step of a
    pipeline is told with its pipeline.

    report : the page of the run; its report if not given
    """
    try:
        current = settings.load_settings()
        if is_told(record, current):
            page = report or record.directory / REPORT_NAME
            _run_command(fill_places(current.notify_command, record, page))
    except (KpfnbError, OSError, subprocess.SubprocessError) as error:
        _log_failure(record, f"notify_command: {error}")


def is_told(record: RunRecord, current: Settings) -> bool:
    """True if the end of a run is told: what was not good always, other runs if they were long."""
    if not current.notify_command or record.parent or record.outcome is None:
        return False
    is_long = timedelta(seconds=record.seconds or 0) >= timedelta(
        minutes=current.notify_after_minutes
    )
    return is_long or record.outcome not in UNTIMELY


def fill_places(command: Sequence[str], record: RunRecord, page: Path) -> list[str]:
    """The arguments of the command, with the run's values in place of {notebook} and the others."""
    values = {
        "notebook": record.notebook,
        "outcome": outcome_word(record),
        "reason": record.reason,
        "run": record.id,
        "report": str(page if page.exists() else record.directory),
    }
    # In one step: a value may contain braces
    return [_PLACE.sub(lambda match: values[match[1]], argument) for argument in command]


def _run_command(arguments: list[str]) -> None:
    done = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise subprocess.SubprocessError(f"exit code {done.returncode}: {last}")


def _log_failure(record: RunRecord, text: str) -> None:
    _log.warning("%s", text)
    try:
        with (record.directory / LOG_NAME).open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")
    except OSError:
        # The warning has been given already
        return
