import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files import drp

numbers = st.lists(st.integers(0, 30), min_size=1, max_size=4)


def written(parts: list[int]) -> str:
    return ".".join(map(str, parts))


@pytest.mark.parametrize(
    ("tag", "asked", "current"),
    [
        ("2.9", "2.9.0", True),
        ("2.9.0", "2.9", True),
        ("v2.9.1", "2.9", True),
        ("v2.9.1-12-gabc123", "2.9.1", True),
        ("v2.9.1-12-gabc123", "v2.9.2", False),
        ("2.10", "2.9", True),
        ("2.5.3", "2.9", False),
        (" v2.9.1 ", "2.9.1", True),
        ("", "2.9", False),
        ("unknown", "0", False),
    ],
)
def test_versions_compare_part_by_part(tag, asked, current):
    assert drp.satisfies_version(tag, asked) is current


@given(numbers, numbers)
def test_the_shorter_one_is_padded_with_zeros(tag, asked):
    length = max(len(tag), len(asked))
    padded = [parts + [0] * (length - len(parts)) for parts in (tag, asked)]
    assert drp.satisfies_version(written(tag), written(asked)) is (padded[0] >= padded[1])


def test_newest_skips_invalid_versions():
    assert drp.newest_version(["v2.9", "v2.10.1-3-gabc", "", "main", "2.2"]) == "v2.10.1-3-gabc"
    assert drp.newest_version(["", "main"]) == ""


def test_an_impossible_version_is_refused_by_name():
    with pytest.raises(InvalidParameterError, match="two-nine"):
        drp.validate_version("two-nine")
