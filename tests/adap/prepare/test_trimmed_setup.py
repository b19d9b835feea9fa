from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kpfnb.adap.prepare import trimmed_setup
from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.adap.profiles import spectrograph
from kpfnb.adap.profiles.spectrograph import CalibrationChoice

DEIMOS = spectrograph.load_profile("keck_deimos")
ARCS, FLATS = DEIMOS.trimming
TYPES = {"arc": ("arc", "tilt"), "flat": ("pixelflat", "illumflat", "trace")}


def exposure(kind, name, mjd, seconds, dec=45.0, lamps=("Ne",)):
    values = {"mjd": mjd, "exptime": seconds, "dec": dec}
    return RawExposure(Path(f"{name}.fits"), values, lamps, TYPES[kind])


def names(frames):
    return [Path(frame.file).stem for frame in frames]


def test_the_latest_three_flats_of_5_to_30_seconds_near_dec_45():
    flats = [exposure("flat", f"f{i}", i, 10.0) for i in range(6)]
    flats += [exposure("flat", "long", 9, 31.0), exposure("flat", "low", 10, 10.0, dec=20.0)]
    assert names(trimmed_setup.choose_frames(flats, FLATS)) == ["f3", "f4", "f5"]


def test_three_good_ones_are_enough():
    flats = [exposure("flat", f"f{i}", i, 10.0) for i in range(3)] + [
        exposure("flat", "off", 9, 10.0, 2.0)
    ]
    assert names(trimmed_setup.choose_frames(flats, FLATS)) == ["f0", "f1", "f2"]


def test_criteria_are_given_up_from_the_last():
    flats = [exposure("flat", "near", 1, 40.0), exposure("flat", "time", 0, 10.0, dec=20.0)]
    flats += [exposure("flat", f"t{i}", i + 2, 10.0, dec=20.0) for i in range(3)]
    # The declination goes first, the exposure stays
    assert names(trimmed_setup.choose_frames(flats, FLATS)) == ["t0", "t1", "t2"]


def test_an_arc_for_each_lamp_set_that_adds_a_lamp_largest_first():
    arcs = [
        exposure("arc", "ne", 5, 5.0, lamps=("Ne",)),
        exposure("arc", "four", 1, 5.0, lamps=("Ar", "Kr", "Ne", "Xe")),
        exposure("arc", "four-later", 2, 5.0, lamps=("Ar", "Kr", "Ne", "Xe")),
        exposure("arc", "hg", 0, 5.0, lamps=("Hg", "Ne")),
    ]
    assert names(trimmed_setup.choose_frames(arcs, ARCS)) == ["hg", "four-later"]


def test_what_one_lamp_set_gave_up_the_next_still_asks_for():
    arcs = [
        exposure("arc", "only", 1, 50.0, lamps=("Ar", "Kr")),
        exposure("arc", "good", 2, 5.0, lamps=("Hg",)),
        exposure("arc", "long", 3, 50.0, lamps=("Hg",)),
    ]
    assert names(trimmed_setup.choose_frames(arcs, ARCS)) == ["only", "good"]


def test_an_excluded_arc_covers_no_lamps():
    arcs = [
        exposure("arc", "all", 1, 5.0, lamps=("Ar", "Hg")),
        exposure("arc", "some", 2, 5.0, lamps=("Ar",)),
    ]
    reasons = trimmed_setup.rejected_frames(arcs, DEIMOS, ["all.fits"])
    assert reasons == {"all.fits": "excluded by name"}


LAMPS = st.sets(st.sampled_from(["Ar", "Hg", "Kr", "Ne", "Xe"]), min_size=1)
FRAMES = st.lists(
    st.tuples(
        st.sampled_from(["arc", "flat"]),
        st.floats(50_000, 60_000),
        st.sampled_from([0.5, 1.0, 4.0, 10.0, 15.0, 16.0, 30.0, 31.0]),
        st.sampled_from([10.0, 44.0, 45.0, 46.5]),
        LAMPS,
    ),
    max_size=12,
)


@given(FRAMES, st.integers(1, 4))
def test_the_selection_keeps_its_promises(rows, most):
    frames = [
        exposure(kind, f"f{i}", mjd, seconds, dec, tuple(sorted(lamps)))
        for i, (kind, mjd, seconds, dec, lamps) in enumerate(rows)
    ]
    arcs = [frame for frame in frames if "arc" in frame.types]
    flats = [frame for frame in frames if "pixelflat" in frame.types]
    chosen = trimmed_setup.choose_frames(arcs, ARCS)
    # Every lamp that was lit is present, and every arc adds a lamp to those of larger sets
    assert {x for f in chosen for x in f.lamps} == {x for f in arcs for x in f.lamps}
    covered = set()
    for frame in sorted(chosen, key=lambda f: (-len(f.lamps), f.lamps)):
        assert not covered.issuperset(frame.lamps)
        covered |= set(frame.lamps)
    for frame in chosen:
        same = [f for f in arcs if f.lamps == frame.lamps]
        assert rank(frame, ARCS) == max(rank(f, ARCS) for f in same)
    choice = CalibrationChoice(types=FLATS.types, most=most, criteria=FLATS.criteria)
    picked = trimmed_setup.choose_frames(flats, choice)
    assert len(picked) == min(most, len(flats))
    assert picked == sorted(picked, key=lambda f: (f.mjd, f.file))
    # All picked are as good as the level that has enough; of that level they are the latest
    levels = [[f for f in flats if rank(f, choice) >= level] for level in (2, 1, 0)]
    level = next((good for good in levels if len(good) >= most), levels[-1])
    assert picked == sorted(level, key=lambda f: (f.mjd, f.file))[-most:]
    # The order of the frames does not matter
    assert trimmed_setup.choose_frames(flats[::-1], choice) == picked


def rank(frame, choice):
    """How many criteria, from the first on, a frame meets."""
    met = 0
    for item in choice.criteria:
        if not item.least <= frame.values[item.value] <= item.greatest:
            break
        met += 1
    return met
