"""Runs for the tests of their records: how one ends well, where they are, how one is altered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.runs.classification import RunEndFacts

GOOD = RunEndFacts(result={"outcome": "succeeded", "reason": "done", "figures": {"n": 3}})


def runs_dir() -> Path:
    return settings.load_settings().runs_dir


def edit(record: runs.RunRecord, **values: Any) -> None:
    """Change the record of a run."""
    file = record.directory / runs.RECORD_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
