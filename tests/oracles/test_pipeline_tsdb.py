"""The KPF pipeline's own time-series database stores the values that kpfnb stores."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.tsdb import catalogue, database, ingest, query
from tests.nights import small_night
from tests.oracles.nights import RUN_DRP

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(1800)]

HST = timezone(timedelta(hours=-10))
NEVER = "19691231T14:00:00 HST"

OTHER_NAMES = {
    **{f"DRPTAG{suffix}": (level, "DRPTAG") for suffix, level in (("2D", "2D"), ("L1", "L1"))},
    **{f"DRPHSH{suffix}": (level, "DRPHASH") for suffix, level in (("2D", "2D"), ("L1", "L1"))},
    "DRPTAGL2": ("L2", "DRPTAG"),
    "DRPHSHL2": ("L2", "DRPHASH"),
}
"""Names of KPF's database to level and keyword."""

KPF_LOSES = {
    "THRSBIN": "a float there, but its value can be the text All",
    "KPFERA": "a text there, a number in the files and here",
}
"""Keywords whose values differ in kind, with the reason."""

Values = Mapping[str, Mapping[str, Any]]


def is_same(theirs: Any, ours: Any) -> bool:
    """Whether a value of KPF's database is the same as ours."""
    if theirs is None or (isinstance(theirs, str) and theirs.strip() in ("", NEVER)):
        return ours is None
    if isinstance(ours, datetime):
        if theirs.endswith("HST"):
            moment = datetime.strptime(theirs, "%Y%m%dT%H:%M:%S HST").replace(tzinfo=HST)
        else:
            moment = datetime.fromisoformat(theirs).replace(tzinfo=UTC)
        return moment == ours
    return bool(theirs == ours)


def read_ours(columns: list[str]) -> dict[str, dict[str, Any]]:
    """The values of our database by ObsID and column; None for null."""
    frame = query(columns, not_junk=False)
    return {
        str(obsid): {c: None if pd.isna(row[c]) else row[c] for c in columns}
        for obsid, row in frame.iterrows()
    }


def compare(oracle: Mapping[str, Any]) -> tuple[Counter[str], dict[str, Any]]:
    """How many values agree by kind of theirs, and those that differ, by keyword."""
    with database.read_transaction() as connection:
        known = catalogue.read_keywords(connection)
    names = {(keyword.level, keyword.name) for keyword in known}
    columns = {}
    for keyword, (level, _, kind) in oracle["keywords"].items():
        place = OTHER_NAMES.get(keyword, (level, keyword))
        columns[keyword] = (f"{place[0]}:{place[1]}" if place in names else "", kind)
    ours = read_ours(sorted({column for column, _ in columns.values() if column}))
    agree: Counter[str] = Counter()
    differ: dict[str, Any] = {}
    for obsid, values in oracle["observations"].items():
        for keyword, (column, kind) in columns.items():
            mine = ours[obsid].get(column)
            theirs = values.get(keyword)
            if is_same(theirs, mine):
                agree[kind] += theirs is not None
            elif keyword not in KPF_LOSES:
                differ[keyword] = (obsid, theirs, mine)
    return agree, differ


@pytest.fixture
def use_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    def ingest_tree(root: Path) -> list[Path]:
        monkeypatch.setenv("KPFNB_DATA_ROOT", str(root))
        monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "work"))
        ingest.ingest_nights("20200101", "20991231")
        obsids = query(["SOURCE"], not_junk=False).index
        return [ObsID(obsid).path(root, KPF.raw) for obsid in obsids]

    yield ingest_tree
    database.close_connections()


@pytest.mark.real
def test_the_real_headers_have_the_same_values_in_both(
    oracle_pipeline, real_l1, use_root, tmp_path
):
    """The header of an L1 has the keywords of L0 and 2D too: the file serves for those levels."""
    root = tmp_path / "tree"
    for obsid, path in real_l1.items():
        for level in ("L0", "2D", "L1"):
            link = ObsID(obsid).path(root, level)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    files = use_root(root)
    oracle = oracle_pipeline.run("pipeline_tsdb.py", tmp_path / "theirs.sqlite", *files)
    agree, differ = compare(oracle)
    assert differ == {}
    assert agree["bool"] >= 20 * len(files)
    assert agree["float"] > 80 * len(files)
    assert agree["string"] > 40 * len(files)
    assert agree["datetime"] >= 5 * len(files)


def test_a_simulated_night_has_the_same_values_in_both(oracle_pipeline, use_root, tmp_path):
    root = tmp_path / "tree"
    night = small_night(root)
    raw = root / "L0" / night.night
    subprocess.run(
        [sys.executable, "-c", RUN_DRP, "--ncpus", "1", "--reprocess", str(raw)],
        check=True,
        capture_output=True,
    )
    files = use_root(root)
    oracle = oracle_pipeline.run("pipeline_tsdb.py", tmp_path / "theirs.sqlite", *files)
    agree, differ = compare(oracle)
    shutil.rmtree(root)
    assert differ == {}
    assert min(agree[kind] for kind in ("bool", "float", "string", "datetime")) > len(files)
    assert agree.total() > 500 * len(files)
