"""Runs for the tests of their records: how one ends well, where they are, how one is altered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kpfnb import runs, settings
from kpfnb.runs.verdict import Facts

GOOD = Facts(result={"outcome": "succeeded", "reason": "done", "figures": {"n": 3}})


def runs_dir() -> Path:
    return settings.load().runs_dir


def edit(record: runs.Record, **values: Any) -> None:
    """Alter what stands in the record of a run."""
    file = record.directory / runs.FILE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
