"""Whatever values files have, in whatever order: none is lost, and none affects another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from kpfnb.kpf.files.keywords import PRIMARY
from kpfnb.kpf.tsdb import database, ingest, query
from kpfnb.kpf.tsdb.file_content import FileContent, FileSignature, FileWarningKind, Keyword
from kpfnb.kpf.tsdb.kinds import ValueRule, convert_value, is_nan
from kpfnb.kpf.tsdb.schema import problem_table

VALUES = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["n/a", "300.0", "", "nan", "inf", "2024-01-15T00:00:00", "YES", "closed"]),
)
OBSERVATIONS = st.lists(st.tuples(VALUES, VALUES, VALUES, st.booleans()), min_size=1, max_size=12)
"""For each file the values of a number, a switch and a keyword that is not in the catalogue; and
whether a new batch begins with it."""

RULES = {"AIRMASS": ValueRule.FLOAT, "SCISEL": ValueRule.SWITCH}
UNKNOWN = "NEVERSEEN"


@contextmanager
def empty_database() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setenv("KPFNB_WORK_DIR", folder)
        patched.setenv("KPFNB_DATA_ROOT", folder)
        yield
        database.close_connections()


def content(number: int, values: dict[str, Any]) -> FileContent:
    obsid = f"KP.2024011{5 + number % 2}.{number:05d}.00"
    path = f"L0/{obsid[3:11]}/{obsid}.fits"
    keywords = {Keyword("L0", PRIMARY, name): value for name, value in values.items()}
    return FileContent(path, obsid, "L0", FileSignature(1, 1), 1, (), keywords)


def store(contents: list[FileContent]) -> None:
    """Store some files as one batch for each night."""
    nights = sorted({file.obsid[3:11] for file in contents})
    parts = [[file for file in contents if file.obsid[3:11] == night] for night in nights]
    ingest.store_contents([(part, []) for part in parts])


@pytest.mark.slow
@settings(max_examples=40)
@given(OBSERVATIONS)
def test_no_value_is_lost_and_none_affects_another(observations):
    files = [
        content(number, {"OBJECT": "x", **dict(zip((*RULES, UNKNOWN), values, strict=True))})
        for number, (*values, _) in enumerate(observations)
    ]
    starts = [number for number, row in enumerate(observations) if row[-1] and number]
    with empty_database():
        for first, end in zip([0, *starts], [*starts, len(files)], strict=True):
            store(files[first:end])
        with database.read_transaction() as connection:
            rows = connection.execute(text("SELECT obsid, keyword, number, text FROM reading"))
            readings = {(row.obsid, row.keyword): (row.number, row.text) for row in rows}
            is_odd = problem_table.c.reason == FileWarningKind.ODD_VALUE
            problems = connection.execute(select(problem_table).where(is_odd)).all()
        check_known_keywords(files, readings, {(row.path, row.detail) for row in problems})
        check_unknown_keyword(files, readings)


def check_known_keywords(files, readings, problems):
    """Each value is stored as if it were alone, and an odd one is a problem of its own file."""
    for name, rule in RULES.items():
        column = query(["OBJECT", name])[name] if has_values(name, readings) else None
        for file in files:
            stored = convert_value(file.values[Keyword("L0", PRIMARY, name)], rule)
            if column is not None:
                number = np.nan if column.isna()[file.obsid] else float(column[file.obsid])
                assert number == pytest.approx(stored.number, nan_ok=True, rel=0, abs=0)
                assert readings.get((file.obsid, name), (None, None))[1] == stored.text
            named = [detail for path, detail in problems if path == file.path and name in detail]
            assert bool(named) == (stored.text is not None)


def check_unknown_keyword(files, readings):
    """Every value is there, and those of a query are those of plain SQL."""
    column = query(["OBJECT", UNKNOWN])[UNKNOWN] if has_values(UNKNOWN, readings) else None
    is_number = column is not None and column.dtype.kind in "bif"
    for file in files:
        value = file.values[Keyword("L0", PRIMARY, UNKNOWN)]
        found = readings.get((file.obsid, UNKNOWN), (None, None))
        is_blank = is_nan(value) or value == ""
        assert is_blank == (found == (None, None)), (value, found)
        if column is None:
            continue
        shown = None if column.isna()[file.obsid] else column[file.obsid]
        if is_number:
            assert shown == found[0]
        elif shown is not None:
            shown = shown.strftime("%Y-%m-%dT%H:%M:%S") if hasattr(shown, "strftime") else shown
            assert shown == found[1]


def has_values(name, readings):
    return any(keyword == name for _, keyword in readings)
