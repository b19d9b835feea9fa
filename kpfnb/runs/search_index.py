"""The catalogue of all runs, which the pages search in: a small script of data for each month.

A script, because a page that is opened from disk may load nothing else. Only the month of the run
that began or ended is written anew; what is damaged is made again from the records.
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

DATA_FOLDER = "data"
JS_CALLBACK = "kpfnbRuns"
"""The function of `runs.js` that takes a month."""

MAX_TEXT_LENGTH = 160
"""So many characters of a reason, of the figures and of the parameters are searched in."""

_FORM = re.compile(rf'{JS_CALLBACK}\("\d{{4}}-\d{{2}}", (?P<rows>\[.*\])\);\s*', re.DOTALL)


class SearchRow(NamedTuple):
    """A run; `links` are the letters of `LETTERS`, `seconds` -1 where it goes on."""

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
    """What the catalogue holds of a run."""
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
    """Put the runs of some days (YYYY-MM-DD), newest first, in the place of what was there."""
    months: defaultdict[str, dict[str, list[SearchRow]]] = defaultdict(dict)
    for day, records in days.items():
        months[day[:7]][day] = [make_row(one) for one in records]
    for month, changed in months.items():
        others = [one for one in read_month(runs_dir, month) or [] if _row_day(one) not in changed]
        rows = [*others, *(one for rows in changed.values() for one in rows)]
        _write_month(runs_dir, month, sorted(rows, key=lambda one: one.directory, reverse=True))


def read_month(runs_dir: Path, month: str) -> list[SearchRow] | None:
    """The rows of a month, newest first; None where there are none, or they are damaged."""
    try:
        match = _FORM.fullmatch(_month_path(runs_dir, month).read_text(encoding="utf-8"))
        return [SearchRow(*values) for values in json.loads(match["rows"])] if match else None
    except (OSError, ValueError, TypeError):
        return None


def list_months(runs_dir: Path) -> list[str]:
    """The months that have a script, newest first."""
    return sorted((path.stem for path in (runs_dir / DATA_FOLDER).glob("*-*.js")), reverse=True)


def stale_days(runs_dir: Path, directories: Iterable[Path]) -> set[str]:
    """The days whose runs are not those of the catalogue."""
    there: defaultdict[str, set[str]] = defaultdict(set)
    for one in directories:
        there[_directory_day(one.name)].add(one.name)
    known: defaultdict[str, set[str]] = defaultdict(set)
    for month in {day[:7] for day in there} | set(list_months(runs_dir)):
        for found in read_month(runs_dir, month) or []:
            known[_row_day(found)].add(found.directory)
    return {day for day in there.keys() | known.keys() if there[day] != known[day]}


def _write_month(runs_dir: Path, month: str, rows: Sequence[SearchRow]) -> None:
    path = _month_path(runs_dir, month)
    if not rows:
        path.unlink(missing_ok=True)
        return
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in rows)
    atomic.write_text(path, f'{JS_CALLBACK}("{month}", [\n{lines}\n]);\n')


def _month_path(runs_dir: Path, month: str) -> Path:
    return runs_dir / DATA_FOLDER / f"{month}.js"


def _row_day(one: SearchRow) -> str:
    return _directory_day(one.directory)


def _directory_day(name: str) -> str:
    return f"{name[:4]}-{name[4:6]}-{name[6:8]}"


def _nonempty_parameters(record: RunRecord) -> list[tuple[str, object]]:
    """Parameters that say something."""
    return [
        (name, value) for name, value in record.parameters.items() if value not in ("", [], False)
    ]


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_TEXT_LENGTH else f"{flat[: MAX_TEXT_LENGTH - 1]}…"
