"""The search index of all runs, which the pages use: a small script with data for each month.

It is a script because a page that is opened from disk may load nothing else. Only the month of the
run that started or ended is rewritten; a damaged month is rebuilt from the records.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from kpfnb.core import atomic
from kpfnb.runs import formatting
from kpfnb.runs.record import RunRecord
from kpfnb.runs.store import start_day

DATA_FOLDER = "data"
JS_CALLBACK = "kpfnbRuns"
"""The function of `runs.js` that receives a month."""

MAX_TEXT_LENGTH = 160
"""The maximum length of a reason, of the key figures and of the parameters in the index."""

_FORM = re.compile(rf'{JS_CALLBACK}\("\d{{4}}-\d{{2}}", (?P<rows>\[.*\])\);\s*', re.DOTALL)


class SearchRow(NamedTuple):
    """One run; `links` has letters of `LINK_LETTERS`, `seconds` is -1 while it runs."""

    id: str
    notebook: str
    kind: str
    word: str
    started: str
    seconds: float
    reason: str
    figures: str
    parameters: str
    directory: str
    links: str


LINK_LETTERS = {"report.html": "r", "notebook.ipynb": "n", "result.json": "j", "log.txt": "l"}


def make_row(record: RunRecord) -> SearchRow:
    """The row of a run."""
    present = [
        letter for name, letter in LINK_LETTERS.items() if (record.directory / name).exists()
    ]
    return SearchRow(
        record.id,
        record.notebook,
        record.kind,
        formatting.outcome_word(record),
        record.started[:16],
        -1 if record.seconds is None else round(record.seconds, 1),
        _shorten(record.reason),
        _shorten(
            ", ".join(
                f"{name} {formatting.format_value(value)}" for name, value in record.figures.items()
            )
        ),
        _shorten(
            ", ".join(
                f"{name}={formatting.format_value(value)}"
                for name, value in _nonempty_parameters(record)
            )
        ),
        record.directory.name,
        "".join(present),
    )


def replace_days(runs_dir: Path, days: dict[str, list[RunRecord]]) -> None:
    """Replace the rows of some days (YYYY-MM-DD) by those of the records, newest first."""
    months: defaultdict[str, dict[str, list[SearchRow]]] = defaultdict(dict)
    for day, records in days.items():
        months[day[:7]][day] = [make_row(record) for record in records]
    for month, changed in months.items():
        old_rows = read_month(runs_dir, month) or []
        rows = [row for row in old_rows if start_day(row.directory) not in changed]
        rows += [row for new_rows in changed.values() for row in new_rows]
        _write_month(runs_dir, month, sorted(rows, key=lambda row: row.directory, reverse=True))


def read_month(runs_dir: Path, month: str) -> list[SearchRow] | None:
    """The rows of a month, newest first; None if there are none or they are damaged."""
    try:
        match = _FORM.fullmatch(_month_path(runs_dir, month).read_text(encoding="utf-8"))
        return [SearchRow(*values) for values in json.loads(match["rows"])] if match else None
    except (OSError, ValueError, TypeError):
        return None


def list_months(runs_dir: Path) -> list[str]:
    """The months that have a script, newest first."""
    return sorted((path.stem for path in (runs_dir / DATA_FOLDER).glob("*-*.js")), reverse=True)


def stale_days(runs_dir: Path, directories: Iterable[Path]) -> set[str]:
    """The days whose runs differ from the index."""
    present: defaultdict[str, set[str]] = defaultdict(set)
    for directory in directories:
        present[start_day(directory.name)].add(directory.name)
    indexed: defaultdict[str, set[str]] = defaultdict(set)
    for month in {day[:7] for day in present} | set(list_months(runs_dir)):
        for row in read_month(runs_dir, month) or []:
            indexed[start_day(row.directory)].add(row.directory)
    return {day for day in present.keys() | indexed.keys() if present[day] != indexed[day]}


def _write_month(runs_dir: Path, month: str, rows: Sequence[SearchRow]) -> None:
    path = _month_path(runs_dir, month)
    if not rows:
        path.unlink(missing_ok=True)
        return
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    atomic.write_text(path, f'{JS_CALLBACK}("{month}", [\n{lines}\n]);\n')


def _month_path(runs_dir: Path, month: str) -> Path:
    return runs_dir / DATA_FOLDER / f"{month}.js"


def _nonempty_parameters(record: RunRecord) -> list[tuple[str, object]]:
    """The parameters that are set."""
    return [
        (name, value) for name, value in record.parameters.items() if value not in ("", [], False)
    ]


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_TEXT_LENGTH else f"{flat[: MAX_TEXT_LENGTH - 1]}…"
