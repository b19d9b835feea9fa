from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import selection
from kpfnb.kpf.reprocess.selection import ObservationFilter
from tests.kpf import fake_drp

NIGHT = "20240101"
STAR = {"IMTYPE": "Object", "OBJECT": "HD 10700", "TARGNAME": "10700", "SCI-OBJ": "Target"}
HEADERS: dict[str, dict[str, str]] = {
    f"KP.{NIGHT}.00001.00": STAR,
    f"KP.{NIGHT}.00002.00": {**STAR, "OBJECT": "HD 4628", "TARGNAME": "4628"},
    f"KP.{NIGHT}.00003.00": {"IMTYPE": "Object", "OBJECT": "SoCal", "TARGNAME": "Sun"},
    f"KP.{NIGHT}.00004.00": {"IMTYPE": "Bias", "OBJECT": "autocal-bias"},
    f"KP.{NIGHT}.00005.00": {"IMTYPE": "Arclamp", "OBJECT": "autocal-etalon-all"},
}
FIRST, SECOND, SUN, BIAS, ETALON = HEADERS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for obsid, header in HEADERS.items():
        fake_drp.fits(ObsID(obsid).path(tmp_path / "data", "L0"), header)
    return tmp_path / "data"


def left(root: Path, wanted: ObservationFilter, target: str = NIGHT) -> tuple[list[str], list[str]]:
    chosen = selection.select_observations([target], root=root)
    selection.apply_filter(
        chosen, wanted, root=root, index=HeaderIndex(root.parent / "index.sqlite")
    )
    return [obsid.text for obsid in chosen.obsids], chosen.notes


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ObservationFilter(), list(HEADERS)),
        (ObservationFilter(["hd10700"]), [FIRST]),
        (ObservationFilter(["HD*"]), [FIRST, SECOND]),
        (ObservationFilter(["4628", "sun"]), [SECOND, SUN]),
        (ObservationFilter(sources=["star"]), [FIRST, SECOND]),
        (ObservationFilter(sources=["Arclamp", "Bias"]), [BIAS, ETALON]),
        (ObservationFilter(sources=["Etalon"]), [ETALON]),
        (ObservationFilter(sources=["Object"]), [FIRST, SECOND, SUN]),
        (ObservationFilter(["HD*"], ["Sun"]), []),
    ],
)
def test_only_what_is_wanted_is_left(
    root: Path, wanted: ObservationFilter, expected: list[str]
) -> None:
    assert left(root, wanted)[0] == expected
    assert left(root, wanted)[0] == expected  # from the index


def test_a_note_counts_what_is_left(root: Path) -> None:
    ObsID(SUN).path(root, "L0").write_bytes(b"")
    notes = left(root, ObservationFilter(["HD*"], ["Star"]))[1]
    assert notes == [
        "2 of 5 observations are of HD*, Star",
        "left out 1 L0 file: unreadable or missing",
    ]


def test_an_object_that_is_not_there_is_refused_and_the_nearest_named(root: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"of 'HD 10701'\n.*existing objects: HD 10700"):
        left(root, ObservationFilter(["HD 10701"]))
    with pytest.raises(InvalidParameterError, match=r"existing objects: 10700, 4628, HD 10700"):
        left(root, ObservationFilter(["nothing like it"]))


def test_an_unknown_kind_of_source_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"source: 'Stra'\n.*Star, Sky"):
        ObservationFilter(sources=["Stra"])


@given(
    st.dictionaries(
        st.sampled_from(["OBJECT", "TARGNAME", "IMTYPE"]),
        st.one_of(st.text(), st.integers(), st.booleans(), st.none()),
    ),
    st.text(),
)
def test_any_header_can_be_asked(header: dict[str, Any], name: str) -> None:
    assert ObservationFilter().has_object(header) and ObservationFilter().has_source(header)
    assert ObservationFilter([name]).has_object(header) in (True, False)
