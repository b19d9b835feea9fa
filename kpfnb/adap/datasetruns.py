"""Which runs of notebooks had to do with a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.runs import Record

NOTEBOOKS = ("prepare", "reduce", "coadd", "scorecard", "archive")
MOST_READ = 500
"""The latest; a record is read in a tenth of a millisecond."""
MOST_TOLD = 20


def latest(runs_dir: Path) -> list[Record]:
    """The latest runs of the notebooks that are about datasets, newest first."""
    found = [one for one in runs.directories(runs_dir) if one.parent.name in NOTEBOOKS]
    return list(runs.look_all(found[:MOST_READ]))


def of(name: str, records: list[Record]) -> list[Record]:
    """Those that name a dataset in one of their parameters, newest first."""
    return [
        one for one in records if any(_names(value, name) for value in one.parameters.values())
    ][:MOST_TOLD]


def _names(value: Any, name: str) -> bool:
    """Whether a parameter is the dataset, its folder, or a list that has it."""
    if isinstance(value, list):
        return any(_names(one, name) for one in value)
    return isinstance(value, str) and f"/{value.rstrip('/')}".endswith(f"/{name}")
