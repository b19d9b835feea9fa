from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.reprocess.selection import list_observations, select_observations

A, B = "KP.20240101.00001.00", "KP.20240101.00002.00"
C = "KP.20240105.00003.00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (A, B, C):
        path = ObsID(name).path(tmp_path / "data", "L0")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    night = tmp_path / "data/L0/20240101"
    for stray in (f".{A}.fits.Ab12Cd", f"{A}-1.fits", f"{C}.fits", "notes.txt"):
        (night / stray).touch()
    (tmp_path / "data/L0/OLDSTUFF").mkdir()
    return tmp_path / "data"


def names(root: Path, *targets: str, start: str = "", end: str = "") -> list[str]:
    return [str(o) for o in select_observations(targets, root=root, start=start, end=end).obsids]


@pytest.mark.parametrize(
    ("targets", "selected"),
    [
        (["20240101"], [A, B]),
        (["20240101:20240105"], [A, B, C]),
        (["20240105:20240101"], [C, A, B]),
        (["20240102:"], [C]),
        ([":20240104"], [A, B]),
        ([B], [B]),
        ([f"{B}.fits", f"/anywhere/{A}_L1.fits"], [B, A]),
        ([B, "20240101", B], [B, A]),
        (["data/L0"], [A, B, C]),
        (["data/L0/20240101"], [A, B, C]),
    ],
)
def test_targets(root: Path, targets: list[str], selected: list[str]) -> None:
    assert names(root, *targets) == selected


@pytest.mark.parametrize("first", ["KP.2024", "kp.20240101.00001", "2024010"])
def test_a_misspelt_first_line_is_no_header(root: Path, tmp_path: Path, first: str) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(f"{first}\n{A}\n")
    chosen = select_observations([listed], root=root)
    assert (list(map(str, chosen.obsids)), list(chosen.unknown)) == ([A], [first])


def test_a_directory_that_can_not_be_listed_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InvalidInputError, match=r"can't list .*L0: Permission denied"):
        select_observations([root / "L0"], root=root)


def test_start_and_end(root: Path) -> None:
    assert names(root, start="20240101") == [A, B]
    assert names(root, start="20240101", end="20240105") == [A, B, C]
    assert names(root, B, start="20240105") == [C, B]


def test_strays_are_no_observations_of_the_night(root: Path) -> None:
    assert [str(o) for o in list_observations(root, "20240101")] == [A, B]
    assert list_observations(root, "20250101") == []


def test_a_list_with_everything_that_is_found_in_lists(root: Path, tmp_path: Path) -> None:
    listed = tmp_path / "jump.csv"
    lines = ["\ufeffobservation_id,why", f'"{B}.fits",1', "", "# by hand", "20240105", "KP.2024", B]
    listed.write_bytes("\r\n".join(lines).encode())
    chosen = select_observations([listed], root=root)
    assert [str(o) for o in chosen.obsids] == [B, C]
    assert chosen.unknown == {"KP.2024": f"the list {listed}"}


@pytest.mark.parametrize(
    ("target", "note"),
    [
        (
            "20230101",
            "Night 20230101 has no L0 files (nights present: 20240101 to 20240105)",
        ),
        ("empty", "no observations in empty"),
        ("empty.txt", "no observations in the list empty.txt"),
    ],
)
def test_nothing_is_a_note(root: Path, tmp_path: Path, target: str, note: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").touch()
    chosen = select_observations([target], root=root)
    assert (list(chosen.obsids), chosen.notes) == ([], [note])


@pytest.mark.parametrize("target", ["20240230", "2024", "nothing.txt", "20240101:2024", ""])
def test_a_target_that_names_nothing_is_refused(root: Path, target: str) -> None:
    with pytest.raises(InvalidParameterError, match=repr(target.split(":")[-1])):
        select_observations([target], root=root)


def test_a_root_without_l0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no L0 directory"):
        select_observations(["20240101"], root=tmp_path)
