"""After a run was killed at any point, the next one finds the good reduction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from kpfnb.adap.products import reduction
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError


def make(
    folder: Path, name: str, good: Sequence[str], *, bad: Sequence[str] = (), outcome: str = "done"
) -> None:
    """A reduction; `name` identifies it later."""
    science = [{"file": file, "reason": ""} for file in good]
    science += [{"file": file, "reason": "noise"} for file in bad]
    record = {
        "outcome": outcome or None,
        "name": name,
        "science": science,
        "inputs": {"frames": {file: [] for file in [*good, *bad]}},
    }
    atomic.write_json(folder / reduction.RECORD_NAME, record)


def name_of(folder: Path) -> str:
    return atomic.read_json(folder / reduction.RECORD_NAME)["name"]


def folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "night"


def test_without_a_folder_there_is_nothing_to_recover(place: Path) -> None:
    assert reduction.recover_folder(place) is None
    place.mkdir()
    assert reduction.recover_folder(place) is None


def test_killed_while_it_worked(place: Path) -> None:
    make(place.with_name("night.previous"), "old", ["a"])
    make(place, "half", [], outcome="")
    assert reduction.recover_folder(place)["name"] == "old"
    assert folders(place.parent) == ["night"]


def test_killed_between_two_renames(place: Path) -> None:
    make(place.with_name("night.previous"), "old", ["a"])
    assert reduction.recover_folder(place)["name"] == "old"


def test_killed_after_its_record_was_written(place: Path) -> None:
    make(place.with_name("night.previous"), "old", ["a"])
    make(place, "new", ["a", "b"])
    assert reduction.recover_folder(place)["name"] == "new"
    assert folders(place.parent) == ["night"]


def test_killed_while_the_old_one_was_removed(place: Path) -> None:
    make(place, "new", ["a"])
    place.with_name("night.discarded").mkdir()
    assert reduction.recover_folder(place)["name"] == "new"
    assert folders(place.parent) == ["night"]


def test_a_partial_folder_without_an_earlier_one_is_ignored(place: Path) -> None:
    make(place, "half", [], outcome="")
    assert reduction.recover_folder(place) is None
    reduction.stage_new(place, {"frames": {}})
    assert folders(place.parent) == ["night"]
    assert reduction.read_finished_record(place) is None


def test_a_useless_one_is_not_kept(place: Path) -> None:
    make(place, "bad", [], bad=["a"])
    reduction.stage_new(place, {"frames": {}})
    assert folders(place.parent) == ["night"]


@pytest.mark.parametrize(
    ("good", "bad", "kept"),
    [
        (["a", "b"], [], "new"),
        (["a", "b"], ["c"], "new"),
        (["a", "b", "c"], [], "new"),
        (["a"], ["b"], "old"),
        (["c"], ["a", "b"], "old"),
        ([], ["a", "b"], "old"),
        ([], [], "old"),
        (["a"], [], "new"),  # b was taken out of the dataset
    ],
)
def test_no_reduced_frame_is_lost(place: Path, good: list[str], bad: list[str], kept: str) -> None:
    make(place, "old", ["a", "b"])
    reduction.stage_new(place, {"frames": {}})
    make(place, "new", good, bad=bad)
    where = reduction.commit_better(place)
    assert name_of(place) == kept
    assert name_of(where) == "new"
    assert folders(place.parent) == (["night"] if kept == "new" else ["night", "night.failed"])


def test_other_folders_are_not_touched(place: Path) -> None:
    place.mkdir()
    (place / "notes").write_text("mine")
    with pytest.raises(InvalidInputError, match="not a reduction"):
        reduction.recover_folder(place)
    assert (place / "notes").read_text() == "mine"
    with pytest.raises(InvalidInputError, match="not a reduction"):
        reduction.recover_folder(place / "notes")
