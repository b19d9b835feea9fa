from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.core import progress_file
from kpfnb.core.progress import show_progress


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / progress_file.PROGRESS_NAME
    progress_file.set_progress_file(path)
    yield path
    progress_file.set_progress_file(None)


def test_it_has_the_last_bar_and_is_removed_with_the_run(file: Path) -> None:
    with show_progress(3, "reading") as bar:
        bar.update(done=1, failed=1, note="a")
        assert json.loads(file.read_text())["done"] == 1
        # Within the same second nothing is written
        bar.update(done=2)
        assert json.loads(file.read_text())["done"] == 1
        bar.update(done=3)
    values = json.loads(file.read_text())
    assert (values["title"], values["done"], values["total"], values["failed"]) == (
        "reading", 3, 3, 1,
    )  # fmt: skip
    assert values["updated"].endswith("Z") and values["seconds"] >= 0
    progress_file.set_progress_file(None)
    assert not file.exists()


def test_a_bar_that_is_not_shown_is_not_written(file: Path) -> None:
    with show_progress(3, "reading", shown=False) as bar:
        bar.update(done=1)
    assert not file.exists()


def test_a_disk_that_is_gone_does_not_stop_the_work(file: Path) -> None:
    progress_file.set_progress_file(file / "missing/progress.json")
    with show_progress(3, "reading") as bar:
        bar.update(done=1)
