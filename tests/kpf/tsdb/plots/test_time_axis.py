from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.tsdb.plots import time_axis

HEAD = "era,start,comment\n"


def test_the_eras_of_the_package_are_in_order() -> None:
    eras = time_axis.load_eras()
    assert eras[0].name == "0.5"
    assert [era.start for era in eras] == sorted(era.start for era in eras)


def test_a_users_file_of_eras_replaces_the_packages(isolated: Path) -> None:
    folder = isolated / "work/panels"
    folder.mkdir(parents=True)
    (folder / "eras.csv").write_text(HEAD + 'B,2024-02-23T12:00,"moved, at last"\nA,2023-01-01,\n')
    first, second = time_axis.load_eras()
    assert (first.name, first.start) == ("A", datetime(2023, 1, 1, tzinfo=UTC))
    assert (second.start.hour, second.comment) == (12, "moved, at last")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("era;start\n", "line 1: the columns are"),
        (HEAD + "A,2023-13-01,\n", "line 2: '2023-13-01'"),
    ],
)
def test_an_invalid_file_is_an_error_with_its_line(
    tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "eras.csv").write_text(content)
    with pytest.raises(InvalidInputError, match=words):
        time_axis.read_eras_file(tmp_path / "eras.csv")
