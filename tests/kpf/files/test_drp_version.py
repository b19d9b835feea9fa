import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files import drp

numbers = st.lists(st.integers(0, 30), min_size=1, max_size=4)

ASCENDING = [
    *("2.2", "v2.8.2", "v2.9", "v2.9.1", "v2.9.1-3-gabc123", "v2.9.1-12-gabc123", "v2.9.2"),
    *("v2.10", "v2.12.0.dev3", "v2.12b1", "v2.12.0rc1", "v2.12.0rc1-4-g0123abc", "v2.12.0"),
    *("v2.12.0-1-g0123abc-dirty", "v2.12.0.post1", "v2.12.1"),
]
"""v2.12.0rc1, v2.12.0 and v2.12.1 are tags of the KPF pipeline."""

NO_VERSIONS = ["", " ", "No tags found", "Not a git repository", "main", "xyz", "v2.9.1-foo", "v"]
"""The second and third are what the pipeline's git tools (v2.12) write without a tag."""


def written(parts: list[int]) -> str:
    return ".".join(map(str, parts))


def test_versions_are_ordered_as_pep_440_orders_them():
    for older, newer in itertools.pairwise(ASCENDING):
        assert drp.parse_version(older) < drp.parse_version(newer), (older, newer)
        assert drp.satisfies_version(newer, older)
        assert not drp.satisfies_version(older, newer)
        assert drp.is_earlier_version(older, newer)
        assert not drp.is_earlier_version(newer, older)


@pytest.mark.parametrize(
    ("one", "other"),
    [("2.9", "2.9.0"), (" v2.9.1 ", "2.9.1"), ("2.12b1", "v2.12.0b1"), ("v2.9.1-dirty", "2.9.1")],
)
def test_forms_of_one_version(one, other):
    assert drp.parse_version(one) == drp.parse_version(other)


@pytest.mark.parametrize("tag", NO_VERSIONS)
def test_a_tag_that_is_no_version(tag):
    assert drp.parse_version(tag) is None
    assert not drp.satisfies_version(tag, "0")
    assert not drp.is_earlier_version(tag, "99")
    assert not drp.is_earlier_version("0", tag)


@given(numbers, numbers)
def test_the_shorter_one_is_padded_with_zeros(tag, asked):
    length = max(len(tag), len(asked))
    padded = [parts + [0] * (length - len(parts)) for parts in (tag, asked)]
    assert drp.satisfies_version(written(tag), written(asked)) is (padded[0] >= padded[1])


@given(numbers, st.integers(1, 10_000), st.text("0123456789abcdef", min_size=4, max_size=40))
def test_later_commits_are_between_a_release_and_the_next(release, commits, commit):
    following = [*release[:-1], release[-1] + 1]
    described = drp.parse_version(f"v{written(release)}-{commits}-g{commit}")
    assert Version(written(release)) < described < Version(written(following))
    assert described < drp.parse_version(f"v{written(release)}-{commits + 1}-g{commit}")


@given(st.text(max_size=40) | st.from_regex(r"v?[0-9.]+[-+.a-z0-9]*", fullmatch=True))
def test_any_text_is_a_version_or_none(tag):
    version = drp.parse_version(tag)
    assert version is None or drp.satisfies_version(tag, tag)


def test_a_number_of_thousands_of_digits_is_no_version():
    assert drp.parse_version("9" * 5000) is None


def test_newest_skips_what_is_no_version():
    assert drp.newest_version(["v2.9", "v2.10.1-3-gabc", *NO_VERSIONS, "2.2"]) == "v2.10.1-3-gabc"
    assert drp.newest_version(["v2.12.0", "v2.12.0rc1"]) == "v2.12.0"
    assert drp.newest_version(NO_VERSIONS) == ""


def test_an_impossible_version_is_refused_by_name():
    with pytest.raises(InvalidParameterError, match="two-nine"):
        drp.validate_version("two-nine")
