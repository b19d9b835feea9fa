"""A night in the database, and three panels instead of all: one of them of a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.kpf.tsdb import database
from kpfnb.kpf.tsdb.plots import panel
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill

PANELS = """group: Chamber
panels:
  hallway:
    title: The <hallway>
    rows:
      - {label: temperature, unit: °C, lines: {hallway: kpfmet.TEMP}}
  never:
    title: Never there
    rows:
      - {label: nothing, lines: {none: NEVER}}
  by-source:
    title: By source
    count: {by: SOURCE}
    select: {not_junk: false}
"""


@pytest.fixture
def panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the only panels that there are."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "eras.csv").write_text("era,start,comment\n1,2020-01-01,\n")
    (folder / "chamber.yml").write_text(PANELS)
    monkeypatch.setattr(panel, "PACKAGE_PANELS", folder)
    return folder / "chamber.yml"


@pytest.fixture
def night(panels: Path) -> Iterator[list[str]]:
    """The ObsIDs of a night of six observations."""
    columns = {"kpfmet.TEMP": [19.0, 19.1, 19.2, 19.1, 19.0, 25.0], "OBJECT": ["a", "b"] * 3}
    yield fill(NIGHT, columns, ["Star"] * 4 + ["Sun"] * 2)
    database.close_connections()
