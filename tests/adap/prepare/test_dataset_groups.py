from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.adap.prepare import dataset_groups
from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.adap.profiles import spectrograph
from kpfnb.storage import paths

DEIMOS = spectrograph.load_profile("keck_deimos")
VALUES = {"decker": "M1", "dispname": "1200G", "dispangle": 8799.6, "filter1": "OG550"}


def frame(mjd, types=("science",), **changes):
    return RawExposure(Path(f"{mjd}.fits"), {**VALUES, **changes, "mjd": mjd}, (), types)


def names(frames, **options):
    return [str(item.dataset) for item in dataset_groups.group_frames(frames, DEIMOS, **options)]


def test_nights_within_three_days_join_and_so_does_what_is_joined_to_them():
    days = [frame(57311.5 + day) for day in (0, 3, 6, 9.01, 20)]
    top = "M1/1200G_8800_OG550"
    assert names(days) == [
        f"{top}/2015-10-16_2015-10-22",
        f"{top}/2015-10-25",
        f"{top}/2015-11-05",
    ]
    # A frame between joins what was apart
    assert names([*days, frame(57311.5 + 8)])[0] == f"{top}/2015-10-16_2015-10-25"
    assert len(names(days, window_days=0)) == 5


def test_the_grating_angle_is_rounded_and_other_values_part():
    frames = [frame(57311.1, dispangle=7499.6), frame(57311.2, dispangle=7500.2)]
    assert names(frames) == ["M1/1200G_7500_OG550/2015-10-16"]
    assert len(names([*frames, frame(57311.3, dispangle=7500.2, filter1="GG400")])) == 2


def test_what_a_dataset_is_missing():
    flat, arc = ("pixelflat", "illumflat", "trace"), ("arc", "tilt")
    result = dataset_groups.group_frames([frame(57311.1, flat), frame(57311.2, arc)], DEIMOS)
    assert result[0].missing_types == ("science",)
    assert result[0].folder.endswith("/incomplete/raw")
    whole = dataset_groups.group_frames([frame(1e5, flat), frame(1e5, arc), frame(1e5)], DEIMOS)
    assert whole[0].folder.endswith("/complete/raw")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("600/4310", "600-4310"),
        ("0.5 arcsec", "0.5_arcsec"),
        ("../etc", "etc"),
        ("-rf", "rf"),
        ("a\tb\nc", "a_b_c"),
        ("Åß", "_"),
        ("..", "_"),
    ],
)
def test_names_are_safe(name, safe):
    assert dataset_groups.sanitize_name(name) == safe


@given(st.text(max_size=300))
def test_any_name_can_be_transferred(name):
    assert paths.invalid_path_reason(dataset_groups.sanitize_name(name)) == ""
    assert dataset_groups.sanitize_name(
        dataset_groups.sanitize_name(name)
    ) == dataset_groups.sanitize_name(name)


@given(st.lists(st.floats(57000, 57060), min_size=1, max_size=20), st.floats(0, 5), st.randoms())
def test_joining_is_transitive_and_order_does_not_matter(moments, window, random):
    frames = [frame(mjd) for mjd in moments]
    parts = dataset_groups.split_by_gaps(frames, window)
    random.shuffle(frames)
    assert [[f.mjd for f in p] for p in dataset_groups.split_by_gaps(frames, window)] == [
        [f.mjd for f in p] for p in parts
    ]
    assert sorted(f.mjd for part in parts for f in part) == sorted(moments)
    for part in parts:
        assert all(b.mjd - a.mjd <= window for a, b in pairwise(part))
    for item, other in pairwise(parts):
        assert other[0].mjd - item[-1].mjd > window
