"""Planted faults of an L0, and the quality flags that see them.

`tests/oracles` runs the pipeline's own quality control on the same faults.
"""

from pathlib import Path

import pytest
from astropy.io import fits

from kpfnb.demo.faults import L0Fault
from kpfnb.demo.l0_checks import check_l0
from kpfnb.demo.night import simulate_night
from kpfnb.demo.plan import EXPOSURE_KINDS
from kpfnb.kpf.files.exposure import source_type
from kpfnb.kpf.files.keywords import find_keyword
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.files.quality_flags import read_quality_flags

pytestmark = pytest.mark.slow

NONE = {kind.name: 0 for kind in EXPOSURE_KINDS}

ALSO = {
    L0Fault.SMEARED_READOUT: {"TIMCHKL0"},
    L0Fault.STOPPED_AGITATOR: {"GRCCDT1", "GRCCDT10", "RDCCDT1", "RDCCDT10"},
}
"""Flags that a fault sets to 0 besides its own, as in the pipeline of v2.12."""


def failed_flags(path: Path) -> set[str]:
    """The flags of an L0 that are 0 and that the pipeline sets for its kind of exposure."""
    with fits.open(path) as hdus:
        spectrum = source_type(hdus[0].header)
        results = check_l0(hdus, is_junk=False)
    flags = read_quality_flags()
    return {name for name, good in results.items() if not good and flags[name].applies_to(spectrum)}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One exposure with each fault, and one good star and etalon: the value of SIMFAULT to path."""
    root = tmp_path_factory.mktemp("faulty")
    counts = NONE | {"star": 1, "etalon": 1}
    night = simulate_night(root, counts=counts, faults=list(L0Fault))
    return {
        e.fault or e.kind.name: ObsID(e.obsid).path(root, "L0")
        for e in night.exposures
        if not e.is_junk
    }


@pytest.mark.parametrize("kind", ["star", "etalon"])
def test_a_good_exposure_has_no_flag_at_0(faulty: dict[str, Path], kind: str) -> None:
    assert failed_flags(faulty[kind]) == set()


@pytest.mark.parametrize("fault", L0Fault)
def test_each_fault_sets_its_flag_to_0(faulty: dict[str, Path], fault: L0Fault) -> None:
    assert failed_flags(faulty[fault]) == {fault.flag} | ALSO.get(fault, set())
    assert fits.getval(faulty[fault], "SIMFAULT") == fault


def test_biases_and_darks_never_pass_the_checks_of_the_temperatures(tmp_path: Path) -> None:
    """A defect of the pipeline from v2.11 on: they read what only the agitator's check prepares."""
    night = simulate_night(tmp_path, counts=NONE | {"bias": 1})
    path = ObsID(night.exposures[0].obsid).path(tmp_path, "L0")
    assert failed_flags(path) == {"GRCCDT1", "GRCCDT10", "RDCCDT1", "RDCCDT10"}


def test_flags_of_faults_are_real_ones_of_the_l0() -> None:
    for fault in L0Fault:
        assert read_quality_flags()[fault.flag].level == "L0"
        assert find_keyword(fault.flag, "2D")
