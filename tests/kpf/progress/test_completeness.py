from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.files.exposure import RawFile
from kpfnb.kpf.progress import completeness
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    ProductFacts,
    ProductFile,
)

NOW = datetime(2024, 1, 2, tzinfo=UTC)
LEVELS = ("2D", "L1", "L2")


BOTH = ("GREEN", "RED")


@pytest.mark.parametrize(
    ("cameras", "imtype", "levels"),
    [
        (BOTH, "Object", {"2D", "L1", "L2"}),
        (("CA_HK",), "", {"2D", "L1", "L2"}),
        (BOTH, "Bias", {"2D", "L1"}),
        (BOTH, "Dark", {"2D", "L1"}),
        ((), "Object", {"2D"}),
    ],
)
def test_expected_levels(cameras, imtype, levels):
    raw = RawFile(10, cameras, imtype)
    assert set(completeness.check_levels(raw, dict.fromkeys(LEVELS))) == levels


def tagged(tag):
    return ProductFile(11, ProductFacts(tag))


@pytest.mark.parametrize(
    ("product", "version", "flaw"),
    [
        (None, "", (IncompleteReason.MISSING, "")),
        (ProductFile(11), "", None),
        (ProductFile(10), "", (IncompleteReason.OLDER, "")),
        (ProductFile(9), "", (IncompleteReason.OLDER, "")),
        (ProductFile(11, problem="empty"), "", (IncompleteReason.UNREADABLE, "empty")),
        (tagged("v2.9.1-3-gab"), "2.9", None),
        (tagged("v2.12.0rc1"), "2.9", None),
        (tagged("v2.8"), "2.9", (IncompleteReason.OLD_VERSION, "v2.8")),
        (tagged("v2.12.0rc1"), "2.12", (IncompleteReason.OLD_VERSION, "v2.12.0rc1")),
        (tagged("xyz"), "2.9", (IncompleteReason.UNKNOWN_VERSION, "DRPTAG 'xyz' is not a version")),
        (tagged("xyz"), "", None),
        (ProductFile(11), "2.9", (IncompleteReason.UNKNOWN_VERSION, "no DRPTAG")),
        (ProductFile(9, ProductFacts("v2.9")), "2.9", (IncompleteReason.OLDER, "")),
    ],
)
def test_when_a_level_is_done(product, version, flaw):
    raw = RawFile(10, BOTH)
    assert completeness.check_levels(raw, {"2D": product}, version=version) == {"2D": flaw}


@pytest.mark.parametrize(
    ("used", "present", "flaw"),
    [
        (BOTH, BOTH, None),
        (("GREEN",), ("GREEN",), None),
        (BOTH, ("GREEN",), (IncompleteReason.CAMERA_MISSING, "no extensions of RED")),
        (BOTH, (), (IncompleteReason.CAMERA_MISSING, "no extensions of GREEN and RED")),
        # Nothing was read of its extensions
        (BOTH, None, None),
    ],
)
def test_an_l2_has_the_cameras_that_were_used(used, present, flaw):
    l2 = ProductFile(11, ProductFacts("", present))
    assert completeness.check_levels(RawFile(10, used, "Arclamp"), {"L2": l2}) == {"L2": flaw}


def test_an_l2_has_a_velocity_where_one_is_expected():
    l2 = ProductFile(11, ProductFacts("v2.9", BOTH, "CCFRV is 0"))
    star, lamp = RawFile(10, BOTH, "Object", velocity=True), RawFile(10, BOTH, "Arclamp")
    flaw = (IncompleteReason.NO_VELOCITY, "CCFRV is 0")
    assert completeness.check_levels(star, {"L2": l2}) == {"L2": flaw}
    assert completeness.check_levels(lamp, {"L2": l2}) == {"L2": None}


def test_an_unreadable_l0_is_named_once():
    products = {level: ProductFile(99) for level in LEVELS}
    flaw = (IncompleteReason.L0_UNREADABLE, "empty")
    assert completeness.check_levels(RawFile(10, problem="empty"), products) == {"2D": flaw}


@pytest.mark.parametrize(
    ("done", "expected", "percent"), [(299, 300, 99), (3, 3, 100), (0, 0, None)]
)
def test_percent_is_floored(done, expected, percent):
    assert LevelCount(done, expected).percent == percent


raws = st.builds(
    RawFile,
    st.integers(0, 3),
    st.sampled_from([(), BOTH, ("RED",)]),
    st.sampled_from(["Bias", "Object"]),
    st.sampled_from(["", "", "empty"]),
    st.booleans(),
)
facts = st.builds(
    ProductFacts, st.just("v2"), st.sampled_from([(), BOTH]), st.sampled_from(["", "CCFRV is 0"])
)
products = st.builds(ProductFile, st.integers(0, 3), facts, st.sampled_from(["", "", "cut"]))
nights = st.dictionaries(st.sampled_from("abcdef"), raws)
one_level = st.dictionaries(st.sampled_from("abcdef"), products)
files = st.tuples(one_level, one_level, one_level).map(
    lambda states: dict(zip(LEVELS, states, strict=True))
)


@given(nights, files, st.frozensets(st.sampled_from("abcdef")))
def test_what_is_not_done_is_named(raws, products, junk):
    night = completeness.assess_night(
        "20240101", raws, products, junk=junk, version="", looked_at=NOW, last_l0=None
    )
    for level, count in night.counts.items():
        named = [item for item in night.missing if item.level == level]
        assert count.expected - count.done == len(named)
    assert night.counts["2D"].expected == len(raws.keys() - junk)
    assert not {item.obsid for item in night.missing} & junk
    assert night.junk == len(raws.keys() & junk)
