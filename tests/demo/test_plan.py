from itertools import pairwise

import pytest

from kpfnb.core.errors import InvalidParameterError
from kpfnb.demo.faults import L0Fault
from kpfnb.demo.plan import EXPOSURE_KINDS, plan_night
from kpfnb.kpf.files.obsid import ObsID


def test_a_night_has_every_kind_and_one_junk_observation() -> None:
    plan = plan_night("20240115")
    assert {e.kind.name for e in plan} == {kind.name for kind in EXPOSURE_KINDS}
    assert [e.is_junk for e in plan].count(True) == 1
    assert 30 <= len(plan) <= 40


def test_names_are_of_the_start_of_the_exposure_and_unique() -> None:
    plan = plan_night("20240115")
    assert len({e.obsid for e in plan}) == len(plan)
    assert all(ObsID(e.obsid).time == e.start for e in plan)
    assert [e.obsid for e in plan] == sorted(e.obsid for e in plan)


def test_a_smaller_night_is_a_subset_of_a_larger_one() -> None:
    few = {e.obsid for e in plan_night("20240115", {"star": 2, "bias": 1})}
    assert few < {e.obsid for e in plan_night("20240115", {"star": 5})}


def test_a_star_has_another_velocity_at_each_visit() -> None:
    visits = [e for e in plan_night("20240115") if e.kind.name == "star"]
    velocities = {round(e.target.velocity(e.middle), 4) for e in visits if e.target}
    assert len(velocities) == len(visits)


@pytest.mark.parametrize("counts", [{"comet": 1}, {"star": -1}, {"star": 1000}])
def test_impossible_counts_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(InvalidParameterError):
        plan_night("20240115", counts)


def test_faulty_exposures_fit_into_a_usual_night() -> None:
    night = plan_night("20240115", faults=list(L0Fault))
    assert len({e.obsid for e in night}) == len(night)
    ends = [(before.end, after.start) for before, after in pairwise(night)]
    assert all(end <= start for end, start in ends)


def test_kinds_are_suggested() -> None:
    with pytest.raises(InvalidParameterError, match="did you mean star"):
        plan_night("20240115", {"stars": 2})


def test_more_than_a_night_has_time_for_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidParameterError, match="has time for 12") as refused:
        plan_night("20240115", {"star": 470})
    assert "--headers-only" in str(refused.value.hint)


def test_lamps_are_named_by_the_part_of_the_night() -> None:
    lamps = {e.object_name for e in plan_night("20240115") if e.kind.imtype == "Arclamp"}
    assert "autocal-lfc-all-eve" in lamps
    assert "autocal-lfc-all-morn" in lamps
    assert "autocal-etalon-all-night" in lamps
