"""A project's files, by name."""

from __future__ import annotations

from pathlib import Path

import kpfnb
from kpfnb.core.project import project_files

CHECKOUT = Path(kpfnb.__file__).parents[1]


def test_the_nearest_file_of_a_name_counts(isolated: Path) -> None:
    (isolated / "pipelines").mkdir()
    nearer = isolated / "pipelines/nightly.yml"
    nearer.touch()
    assert project_files("pipelines", ".yml")["nightly"] == nearer
    nearer.unlink()
    assert project_files("pipelines", ".yml")["nightly"] == CHECKOUT / "pipelines/nightly.yml"
