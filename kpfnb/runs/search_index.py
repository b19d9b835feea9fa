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

from kpfnb import files
from kpfnb.runs import Record, view

FOLDER = "data"
CALL = "kpfnbRuns"
"""The function of `runs.js` that takes a month."""

MOST_TEXT = 160
"""So many characters of a reason, of the figures and of the parameters are searched in."""

_FORM = re.compile(rf'{CALL}\("\d{{4}}-\d{{2}}", (?P<rows>\[.*\])\);\s*', re.DOTALL)


class Row(NamedTuple):
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


LETTERS = {"report.html": "r", "notebook.ipynb": "n", "result.json": "j", "log.txt": "l"}


def row(record: Record) -> Row:
    """What the catalogue holds of a run."""
    present = [letter for name, letter in LETTERS.items() if (record.directory / name).exists()]
    return Row(
        record.id,
        record.notebook,
        record.kind,
        view.word(record),
        record.started[:16],
        -1 if record.seconds is None else round(record.seconds, 1),
        _cut(record.reason),
        _cut(", ".join(f"{name} {view.shown(value)}" for name, value in record.figures.items())),
        _cut(", ".join(f"{name}={view.shown(value)}" for name, value in _given(record))),
        record.directory.name,
        "".join(present),
    )


def replace_days(runs_dir: Path, days: dict[str, list[Record]]) -> None:
    """Put the runs of some days (YYYY-MM-DD), newest first, in the place of what was there."""
    months: defaultdict[str, dict[str, list[Row]]] = defaultdict(dict)
    for day, records in days.items():
        months[day[:7]][day] = [row(one) for one in records]
    for month, changed in months.items():
        others = [one for one in read(runs_dir, month) or [] if _day(one) not in changed]
        rows = [*others, *(one for rows in changed.values() for one in rows)]
        _write(runs_dir, month, sorted(rows, key=lambda one: one.directory, reverse=True))


def read(runs_dir: Path, month: str) -> list[Row] | None:
    """The rows of a month, newest first; None where there are none, or they are damaged."""
    try:
        match = _FORM.fullmatch(_path(runs_dir, month).read_text(encoding="utf-8"))
        return [Row(*values) for values in json.loads(match["rows"])] if match else None
    except (OSError, ValueError, TypeError):
        return None


def months(runs_dir: Path) -> list[str]:
    """The months that have a script, newest first."""
    return sorted((path.stem for path in (runs_dir / FOLDER).glob("*-*.js")), reverse=True)


def days_behind(runs_dir: Path, directories: Iterable[Path]) -> set[str]:
    """The days whose runs are not those of the catalogue."""
    there: defaultdict[str, set[str]] = defaultdict(set)
    for one in directories:
        there[_day_of(one.name)].add(one.name)
    known: defaultdict[str, set[str]] = defaultdict(set)
    for month in {day[:7] for day in there} | set(months(runs_dir)):
        for found in read(runs_dir, month) or []:
            known[_day(found)].add(found.directory)
    return {day for day in there.keys() | known.keys() if there[day] != known[day]}


def _write(runs_dir: Path, month: str, rows: Sequence[Row]) -> None:
    path = _path(runs_dir, month)
    if not rows:
        path.unlink(missing_ok=True)
        return
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in rows)
    files.write_text(path, f'{CALL}("{month}", [\n{lines}\n]);\n')


def _path(runs_dir: Path, month: str) -> Path:
    return runs_dir / FOLDER / f"{month}.js"


def _day(one: Row) -> str:
    return _day_of(one.directory)


def _day_of(name: str) -> str:
    return f"{name[:4]}-{name[4:6]}-{name[6:8]}"


def _given(record: Record) -> list[tuple[str, object]]:
    """Parameters that say something."""
    return [
        (name, value) for name, value in record.parameters.items() if value not in ("", [], False)
    ]


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_TEXT else f"{flat[: MOST_TEXT - 1]}…"
