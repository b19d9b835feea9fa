from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf import judgement
from kpfnb.kpf.judgement import Count, Product, Raw, Reason

NOW = datetime(2024, 1, 2, tzinfo=UTC)
LEVELS = ("2D", "L1", "L2")


@pytest.mark.parametrize(
    ("camera", "imtype", "levels"),
    [
        (True, "Object", {"2D", "L1", "L2"}),
        (True, "", {"2D", "L1", "L2"}),
        (True, "Bias", {"2D", "L1"}),
        (True, "Dark", {"2D", "L1"}),
        (False, "Object", {"2D"}),
    ],
)
def test_expected_levels(camera, imtype, levels):
    raw = Raw(10, camera, imtype)
    assert set(judgement.judge(raw, dict.fromkeys(LEVELS))) == levels


@pytest.mark.parametrize(
    ("product", "version", "flaw"),
    [
        (None, "", (Reason.MISSING, "")),
        (Product(11), "", None),
        (Product(10), "", (Reason.OLDER, "")),
        (Product(9), "", (Reason.OLDER, "")),
        (Product(11, problem="empty"), "", (Reason.UNREADABLE, "empty")),
        (Product(11, tag="v2.9.1-3-gab"), "2.9", None),
        (Product(11, tag="v2.8"), "2.9", (Reason.OLD_VERSION, "v2.8")),
        (Product(11), "2.9", (Reason.OLD_VERSION, "no DRPTAG")),
        (Product(9, tag="v2.9"), "2.9", (Reason.OLDER, "")),
    ],
)
def test_when_a_level_is_done(product, version, flaw):
    assert judgement.judge(Raw(10, True), {"2D": product}, version=version) == {"2D": flaw}


def test_an_unreadable_l0_is_named_once():
    products = {level: Product(99) for level in LEVELS}
    flaw = (Reason.L0_UNREADABLE, "empty")
    assert judgement.judge(Raw(10, problem="empty"), products) == {"2D": flaw}


@pytest.mark.parametrize(
    ("done", "expected", "percent"), [(299, 300, 99), (3, 3, 100), (0, 0, None)]
)
def test_percent_is_floored(done, expected, percent):
    assert Count(done, expected).percent == percent


raws = st.builds(
    Raw,
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["Bias", "Object"]),
    st.sampled_from(["", "", "empty"]),
)
products = st.builds(Product, st.integers(0, 3), st.just("v2"), st.sampled_from(["", "", "cut"]))
nights = st.dictionaries(st.sampled_from("abcdef"), raws)
one_level = st.dictionaries(st.sampled_from("abcdef"), products)
files = st.tuples(one_level, one_level, one_level).map(
    lambda found: dict(zip(LEVELS, found, strict=True))
)


@given(nights, files, st.frozensets(st.sampled_from("abcdef")))
def test_what_is_not_done_is_named(raws, products, junk):
    night = judgement.count(
        "20240101", raws, products, junk=junk, version="", looked_at=NOW, last_l0=None
    )
    for level, count in night.counts.items():
        named = [item for item in night.missing if item.level == level]
        assert count.expected - count.done == len(named)
    assert night.counts["2D"].expected == len(raws.keys() - junk)
    assert not {item.obsid for item in night.missing} & junk
    assert night.junk == len(raws.keys() & junk)
