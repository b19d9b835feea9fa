from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb import storage
from kpfnb.adap.products import dataset
from kpfnb.adap.products.dataset import Dataset
from kpfnb.core.errors import InvalidInputError

words = st.text("abcXYZ019_+-.", min_size=1, max_size=8).filter(lambda w: w not in (".", ".."))
dates = st.dates(date(1990, 1, 1), date(2050, 1, 1))


@given(words, words, dates, dates)
def test_a_name_says_all(mask: str, config: str, first: date, second: date) -> None:
    original = Dataset(mask, config, min(first, second), max(first, second))
    assert dataset.parse_dataset(str(original)) == original


def test_one_night_and_joined_nights() -> None:
    assert str(dataset.parse_dataset("m/c/2015-10-16/")) == "m/c/2015-10-16"
    joined = dataset.parse_dataset("m/c/2011-01-28_2011-01-29")
    assert (joined.first, joined.last) == (date(2011, 1, 28), date(2011, 1, 29))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m/c", "2 parts"),
        ("m/c/2015-10-16/complete", "4 parts"),
        ("m/c/20151016", "not a valid date"),
        ("m/c/2015-02-30", "not a valid date"),
        ("m/c/2015-10-16_", "not a valid date"),
        ("m/c/2015-10-17_2015-10-16", "before"),
        ("m m/c/2015-10-16", "' '"),
        ("../c/2015-10-16", r"'\.\.'"),
    ],
)
def test_invalid_names_are_explained(name: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        dataset.parse_dataset(name)


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("complete/reduce/A/Science/spec1d.fits", "result"),
        ("complete/reduce-det1/keck_deimos_A/keck_deimos_A.log", "result log"),
        ("complete/reduce/A/run_pypeit_stdout.txt", "result log"),
        ("complete/reduce_old/A/A.log", ""),
        ("complete/raw/b1.fits", "raw"),
        ("incomplete/raw/b1.fits.gz", "raw"),
        ("incomplete/reduce/A.log", ""),
        ("complete/reduce", ""),
    ],
)
def test_what_belongs_to_a_dataset(path: str, kinds: str) -> None:
    tests = {
        "result": dataset.is_result_file,
        "log": dataset.is_log_file,
        "raw": dataset.is_raw_file,
    }
    assert " ".join(kind for kind, test in tests.items() if test(path)) == kinds


def test_datasets_are_found_at_a_place(tmp_path: Path) -> None:
    for name in ("m/c/2015-10-16", "m/c/2011-01-28_2011-01-29", "m/notes/old", "1D_Coadd/x/y"):
        (tmp_path / "data" / name / "complete/reduce").mkdir(parents=True)
    place = storage.resolve_location(tmp_path / "data")
    assert dataset.find_datasets(place) == ["m/c/2011-01-28_2011-01-29", "m/c/2015-10-16"]
    assert dataset.list_reductions(place / "m/c/2015-10-16") == ["complete/reduce"]
    assert dataset.find_datasets(place / "nope") == []
