from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb import storage
from kpfnb.adap.archive.unit import ArchiveUnit, archive_path, find_units, parse_unit
from kpfnb.core.errors import InvalidInputError

PARTS = st.lists(
    st.sampled_from(["complete", "reduce", "reduce-det6", "keck_deimos_A", "Science", "1D_Coadd"])
    | st.text("ab._-reduce", min_size=1, max_size=200),
    max_size=6,
)


@given(folders=PARTS, file=st.text("spec1d_.-0123456789", min_size=1, max_size=250))
def test_only_whole_folders_named_complete_or_reduce_are_left_out(
    folders: list[str], file: str
) -> None:
    given_path = "/".join([*folders, file])
    parts = archive_path(given_path).split("/")
    assert parts[-1] == file
    assert not {"complete", "reduce"} & set(parts[:-1])
    assert parts[:-1] == [part for part in folders if part not in ("complete", "reduce")]


def test_a_file_that_is_called_so_stays() -> None:
    assert archive_path("complete/reduce/A/complete") == "A/complete"
    assert archive_path("complete/reduce-det6/A/x.fits") == "reduce-det6/A/x.fits"


@pytest.mark.parametrize(
    "name", ["a/b/c", "a", "a//2011-01-02", "../b/2011-01-02", "manifest/b/2011-01-02", "a b/c"]
)
def test_an_invalid_unit_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_unit(name)


def test_datasets_and_joint_coadds_are_found(tmp_path: Path) -> None:
    for folder in (
        "m/c/2011-01-02/complete",
        "m/c/1D_Coadd",
        "m/c/notes",
        "m2/c/2D_Coadd",
        "1D_Coadd",
    ):
        (tmp_path / folder).mkdir(parents=True)
    result = find_units(storage.resolve_location(tmp_path))
    assert result == [ArchiveUnit("m/c/2011-01-02"), ArchiveUnit("m/c"), ArchiveUnit("m2/c")]
    assert [unit.manifest for unit in result[:2]] == [
        "manifest/m/c/2011-01-02.json",
        "manifest/m/c/joint.json",
    ]


def test_files_of_joint_coadds_are_not_those_of_datasets(tmp_path: Path) -> None:
    for name in ("1D_Coadd/a.fits", "2011-01-02/complete/raw/b.fits", "1D_Coadd/.kpfnb-half.fits"):
        (tmp_path / "m/c" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m/c" / name).touch()
    assert ArchiveUnit("m/c").files(tmp_path) == ["1D_Coadd/a.fits"]
    assert ArchiveUnit("m/c/2011-01-02").files(tmp_path) == ["complete/raw/b.fits"]
