import pytest

from kpfnb.core.errors import InvalidParameterError
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
