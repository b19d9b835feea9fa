"""What is known of the run behind products: when, how long, how much memory, which PypeIt.

From the record of the reduction (`reduction.json`) where there is one, and from PypeIt's own log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb import files
from kpfnb.adap.pypeit import pypeitlog
from kpfnb.adap.reducing import workplace

_COMMIT = re.compile(r"\+(?:g|\d+\.g)?([0-9a-f]{7,40})\b")


@dataclass(frozen=True)
class RunFacts:
    """One run of PypeIt.

    Attributes
    ----------
    date : the day it began, UTC, as 2026-01-31; '' where it is not known
    exec_seconds : what PypeIt says it took; 0 where it says nothing, as after a failure
    memory_bytes : the most that it took; 0 where it is not known
    commit : of PypeIt, or its version; '' where it is not known
    """

    date: str = ""
    exec_seconds: int = 0
    memory_bytes: int = 0
    commit: str = ""


def read(plan: Path) -> RunFacts:
    """The facts of the run of a .pypeit file; `BadInput` where the record is damaged."""
    path = plan.parent.parent / workplace.RECORD
    record = files.read_json(path) if path.is_file() else {}
    log = pypeitlog.read(plan.with_suffix(".log"))
    return RunFacts(
        date=str(record.get("started") or "")[:10],
        exec_seconds=round(log.execution_seconds or 0),
        memory_bytes=_memory(record, plan.parent.name),
        commit=commit(str((record.get("inputs") or {}).get("pypeit") or "")),
    )


def commit(version: str) -> str:
    """The commit that a version names, as 1.16.1.dev3+g1a2b3c4; the version if it names none."""
    found = _COMMIT.search(version)
    return found[1] if found else version


def _memory(record: Mapping[str, Any], setup: str) -> int:
    """The peak of that setup's run; of all runs where none is called after it."""
    steps = [one for one in record.get("steps") or () if one["name"].startswith("run_pypeit")]
    own = [one for one in steps if one["name"].endswith(f" {setup}")]
    return max((one["peak_bytes"] or 0 for one in own or steps), default=0)
