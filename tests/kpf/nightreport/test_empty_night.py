"""A night without files has no report: it is skipped, with the reason first."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core import settings
from kpfnb.core.result import Outcome
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night
from kpfnb.kpf.nightreport.report import write_range_reports, write_report
from kpfnb.kpf.verdict import assessment
from tests.kpf.verdict.conftest import NIGHT, SMALL

EMPTY = "20350201"
REASON = f"Night {EMPTY} has no L0 files (the only other night is {NIGHT})"


@pytest.fixture(autouse=True)
def root(isolated: Path) -> Path:
    """A data root with one night."""
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)
    return isolated


def test_nothing_is_written(root: Path) -> None:
    report = write_report(EMPTY)
    assert (report.outcome, report.reason, report.page) == (Outcome.SKIPPED, REASON, None)
    assert assessment.load_history() == {}
    assert not (settings.load_settings().runs_dir / "nights").exists()
    assert str(report) == REASON
    assert report.linked_reason == REASON


def test_in_a_range_it_does_not_count_unless_it_is_alone() -> None:
    alone = write_range_reports(EMPTY)
    assert (alone.outcome, alone.reason) == (Outcome.SKIPPED, REASON)
    both = write_range_reports("20240111", "20240109")
    assert both.outcome is Outcome.SUCCEEDED
    assert len(both.reports) == 2


@pytest.mark.parametrize("command", ["progress", "reprocess", "verdict", "report", "ingest"])
def test_each_command_exits_with_5_and_the_reason(command: str) -> None:
    result = CliRunner().invoke(app, [command, EMPTY])
    assert result.exit_code == 5
    assert REASON in result.output
    assert assessment.load_history() == {}
