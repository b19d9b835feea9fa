from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.adap.pypeit import input_files
from kpfnb.core.errors import InvalidInputError

TEXT = """
# a comment
[rdx]
    spectrograph = keck_deimos   # another
    detnum = "2,6", "3,7"
[calibrations]
    [[wavelengths]]
        refframe = observed
    [[[deeper]]] # a third level
        x = "a # b"
[coadd2d]
    offsets = auto
"""


def test_sections_of_all_levels() -> None:
    assert input_files.parse_parameters(TEXT.splitlines()) == {
        "rdx": {"spectrograph": "keck_deimos", "detnum": '"2,6", "3,7"'},
        "calibrations": {"wavelengths": {"refframe": "observed", "deeper": {"x": '"a # b"'}}},
        "coadd2d": {"offsets": "auto"},
    }


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
VALUES = st.from_regex(r"[A-Za-z0-9.,/_-]{1,12}", fullmatch=True)
TREES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=3),
    lambda below: st.dictionaries(NAMES, VALUES | below, max_size=3),
    max_leaves=8,
).map(lambda tree: {key: value for key, value in tree.items() if isinstance(value, dict)})


@given(TREES)
def test_what_is_written_is_read_again(tree: dict[str, object]) -> None:
    assert input_files.parse_parameters(input_files.format_parameters(tree)) == tree


@given(TREES, TREES)
def test_the_last_one_counts(first: dict[str, object], last: dict[str, object]) -> None:
    merged = input_files.merge_parameters(first, last)
    assert input_files.merge_parameters(merged, last) == merged
    assert set(merged) == {*first, *last}


def test_a_section_over_a_value() -> None:
    assert input_files.merge_parameters({"a": "1"}, {"a": {"b": "2"}}) == {"a": {"b": "2"}}
    assert input_files.format_parameters({"a": ["x", "y"]}) == ["a = x, y"]


@pytest.mark.parametrize("line", ["no value", "[[too deep]]", "[a]]", "= 3"])
def test_a_mistake_is_named(line: str) -> None:
    with pytest.raises(InvalidInputError, match=r"own\.cfg: "):
        input_files.parse_parameters([line], "own.cfg")
