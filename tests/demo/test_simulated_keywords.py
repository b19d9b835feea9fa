"""No invented keyword in simulated files: a keyword is real at this place, or begins with SIM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from astropy.io import fits

from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night
from kpfnb.demo.tree import TREE_KINDS, write_tree
from kpfnb.kpf.files.keywords import TELEMETRY, find_keyword, is_structural, read_catalogue
from kpfnb.kpf.files.obsid import KPF
from tests.demo.conftest import of_kind
from tests.keyword_kinds import fits_kind

TELEMETRY_NAME = "keyword"
"""The column of the table TELEMETRY with the names of its rows."""


def names_of_file(path: Path) -> Iterator[tuple[str, str]]:
    """Extension and keyword of each card, and of each row of telemetry."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            extension = hdu.name or "PRIMARY"
            yield from ((extension, name) for name in hdu.header if name)
            if extension == TELEMETRY and hdu.columns.names:
                yield from ((extension, name) for name in hdu.data[TELEMETRY_NAME])


def invented_names(path: Path, *levels: str) -> list[tuple[str, str]]:
    return sorted(
        {
            (extension, name)
            for extension, name in names_of_file(path)
            if not (
                is_structural(name)
                or name.startswith("SIM")
                or any(find_keyword(name, level, extension) for level in levels)
            )
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("level", KPF.levels)
@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "lfc", "etalon", "thar", "star", "sun"])
def test_keywords_of_an_observation_are_real(reduced: Path, kind: str, level: str) -> None:
    for raw in of_kind(reduced, kind)[:1]:
        path = reduced / level / raw.parent.name / f"{raw.stem}{KPF.levels[level]}.fits"
        if path.exists():
            assert invented_names(path, level) == []


@pytest.mark.slow
def test_keywords_of_masters_are_real(reduced: Path) -> None:
    paths = sorted((reduced / "masters").glob("*/*.fits"))
    assert paths
    for path in paths:
        level = next((level for level in ("L1", "L2") if path.stem.endswith(f"_{level}")), "2D")
        assert invented_names(path, level, "master") == [], path.name


@pytest.mark.slow
def test_values_of_simulated_headers_are_of_the_kind(reduced: Path) -> None:
    wrong = set()
    for path in sorted(reduced.glob("*/*/*.fits")):
        with fits.open(path) as hdus:
            for hdu in hdus:
                for card in hdu.header.cards:
                    keyword = find_keyword(card.keyword, extension=hdu.name or "PRIMARY")
                    if keyword and card.value != "" and not fits_kind(card.value, keyword.kind):
                        wrong.add((hdu.name, keyword.name, keyword.kind, card.value))
    assert wrong == set()


def test_keywords_of_files_with_only_headers_are_real(tmp_path: Path) -> None:
    write_night(tmp_path / "night", "20240115", dict.fromkeys(DEFAULT_COUNTS, 1))
    write_tree(tmp_path / "tree", ["20240115"], len(TREE_KINDS))
    for level in KPF.levels:
        paths = sorted(tmp_path.glob(f"*/{level}/*/*.fits"))
        assert len(paths) > len(TREE_KINDS)
        for path in paths:
            assert invented_names(path, level) == [], path
    for path in sorted(tmp_path.glob("*/masters/*/*.fits")):
        assert invented_names(path, "2D", "master") == [], path


def test_an_invented_keyword_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file.fits"
    primary = fits.PrimaryHDU()
    primary.header["GRCCDTMP"] = -100.0
    primary.header["SIMKIND"] = "star"
    primary.header["AIRMASS"] = 1.0
    primary.header["CCFRV"] = 1.0
    primary.writeto(path)
    assert invented_names(path, "L0") == [("PRIMARY", "CCFRV"), ("PRIMARY", "GRCCDTMP")]
    assert {keyword.name for keyword in read_catalogue()} >= {"AIRMASS", "CCFRV"}
